import { Trans, useLingui } from '@lingui/react/macro';
import { useRef, useState, type FormEvent } from 'react';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import { askedStore } from '~/lib/fresh';
import { useUser } from '~/lib/session';
import { confirmByPasskey, confirmByPassword } from '~/lib/sign-in';
import { useStore } from '~/lib/store';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field } from '~/ui/field';
import { useFactorWords } from './factor-words';
import { PasswordInput } from './password-input';

const OwnPasskeys = graphql(/* GraphQL */ `
  query OwnPasskeys { me { id factors { passkeys { id here } } } }
`);

/** The dialog behind lib/fresh: one on each page that does what needs a fresh sign-in. */
export function ConfirmHost() {
  const asked = useStore(askedStore);
  if (!asked) return null;
  const answer = (shown: boolean) => {
    askedStore.set(null);
    asked(shown);
  };
  return <ConfirmDialog answer={answer} />;
}

function ConfirmDialog({ answer }: { answer: (shown: boolean) => void }) {
  const { t } = useLingui();
  const words = useFactorWords();
  const { user } = useUser();
  const input = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState<'password' | 'passkey'>();
  const [error, setError] = useState<string>();
  const [{ data }] = useQuery({ query: OwnPasskeys, requestPolicy: 'cache-and-network' });
  const passkeys = typeof PublicKeyCredential !== 'undefined' && !!data?.me.factors?.passkeys.some((p) => p.here);

  const show = async (how: 'password' | 'passkey', work: () => Promise<void>) => {
    setBusy(how);
    setError(undefined);
    try {
      await work();
      answer(true);
    } catch (caught) {
      setBusy(undefined);
      setError(words(caught));
      input.current?.querySelector<HTMLInputElement>('[name=password]')?.focus();
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    // Inside another form's page: it is not that one's to send.
    event.stopPropagation();
    const password = String(new FormData(event.currentTarget).get('password'));
    if (!password) return setError(t`Enter your password.`);
    void show('password', () => confirmByPassword(password));
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && answer(false)}
      title={<Trans>Confirm that it is you</Trans>}
      description={<Trans>You signed in a while ago. What you are about to do asks for it again.</Trans>}
      closeLabel={t`Close`}
      footer={
        <>
          {passkeys && (
            <Button busy={busy === 'passkey'} onClick={() => void show('passkey', confirmByPasskey)}>
              <Trans>Use a passkey</Trans>
            </Button>
          )}
          <Button type="submit" form="confirm-sign-in" variant="primary" busy={busy === 'password'}>
            <Trans>Confirm</Trans>
          </Button>
        </>
      }
    >
      <form id="confirm-sign-in" ref={input} noValidate onSubmit={submit} className="flex flex-col gap-5">
        <input type="text" name="username" autoComplete="username" defaultValue={user.login} hidden readOnly />
        <Field label={t`Password`} error={error}>
          {(control) => <PasswordInput {...control} name="password" autoComplete="current-password" autoFocus />}
        </Field>
      </form>
    </Dialog>
  );
}
