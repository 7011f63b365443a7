import { Trans, useLingui } from '@lingui/react/macro';
import { useRef, useState, type FormEvent } from 'react';
import { askedStore } from '~/lib/fresh';
import { useUser } from '~/lib/session';
import { confirmByPasskey, confirmByPassword, type SecondStep } from '~/lib/sign-in';
import { useStore } from '~/lib/store';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field } from '~/ui/field';
import { useFactorWords } from './factor-words';
import { beginWith, useOwnWays } from './provider-api';
import { PasswordInput } from './password-input';
import { SecondStepForm } from './second-step';

/** The dialog behind lib/fresh: one on each page that does what needs a fresh sign-in. */
export function ConfirmHost() {
  const asked = useStore(askedStore);
  if (!asked) return null;
  const answer = (shown: boolean) => {
    askedStore.set(null);
    asked.answer(shown);
  };
  return <ConfirmDialog due={asked.step} answer={answer} />;
}

function ConfirmDialog({ due, answer }: { due?: SecondStep; answer: (shown: boolean) => void }) {
  const { t } = useLingui();
  const words = useFactorWords();
  const { user } = useUser();
  const input = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState<string>();
  const [error, setError] = useState<string>();
  const [step, setStep] = useState(due);
  const { ways } = useOwnWays();
  const passkeys = typeof PublicKeyCredential !== 'undefined' && !!ways?.passkeys.some((p) => p.here);
  const identities = ways?.identities.filter((i, at, all) => i.providerId && all.findIndex((o) => o.providerId === i.providerId) === at) ?? [];
  const password = ways?.password ?? true;

  const show = async (how: string, work: () => Promise<SecondStep | undefined>) => {
    setBusy(how);
    setError(undefined);
    try {
      const next = await work();
      if (!next) return answer(true);
      setBusy(undefined);
      setStep(next);
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
    const typed = String(new FormData(event.currentTarget).get('password'));
    if (!typed) return setError(t`Enter your password.`);
    void show('password', () => confirmByPassword(typed));
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && answer(false)}
      title={<Trans>Confirm that it is you</Trans>}
      description={
        step ? <Trans>Your account has a second factor: show that too.</Trans> : <Trans>You signed in a while ago. What you are about to do asks for it again.</Trans>
      }
      closeLabel={t`Close`}
      footer={
        step ? undefined : (
          <>
            {passkeys && (
              <Button busy={busy === 'passkey'} onClick={() => void show('passkey', confirmByPasskey)}>
                <Trans>Use a passkey</Trans>
              </Button>
            )}
            {password && (
              <Button type="submit" form="confirm-sign-in" variant="primary" busy={busy === 'password'}>
                <Trans>Confirm</Trans>
              </Button>
            )}
          </>
        )
      }
    >
      {step ? (
        <SecondStepForm
          step={step}
          again
          onDone={() => answer(true)}
          onBack={(why) => {
            setError(why);
            setStep(undefined);
          }}
        />
      ) : (
        <>
          {identities.length > 0 && (
            <div className="mb-5 flex flex-col gap-3">
              {identities.map(({ id, provider, providerId }) => (
                <Button
                  key={id}
                  autoFocus={!password}
                  busy={busy === id}
                  onClick={() => void show(id, () => beginWith(providerId ?? '', 'CONFIRM', location.pathname + location.search).then(() => undefined))}
                >
                  <Trans>Confirm with {provider}</Trans>
                </Button>
              ))}
              <p className="text-sm text-text-3">
                <Trans>You come back to this page, and then have ten minutes.</Trans>
              </p>
            </div>
          )}
          {!password && (
            <div role="alert" className="text-sm text-danger empty:hidden">
              {error}
            </div>
          )}
          <form id="confirm-sign-in" ref={input} noValidate onSubmit={submit} className="flex flex-col gap-5">
            <input type="text" name="username" autoComplete="username" defaultValue={user.login} hidden readOnly />
            {password && (
              <Field label={t`Password`} error={error}>
                {(control) => <PasswordInput {...control} name="password" autoComplete="current-password" autoFocus />}
              </Field>
            )}
          </form>
        </>
      )}
    </Dialog>
  );
}
