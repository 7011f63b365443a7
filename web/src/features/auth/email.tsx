import { Trans, useLingui } from '@lingui/react/macro';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import { orThrow, whenFresh } from '~/lib/fresh';
import { localeStore } from '~/lib/i18n';
import { Button } from '~/ui/button';
import { Field, Input } from '~/ui/field';
import { Skeleton } from '~/ui/skeleton';
import { waysIn } from './link-api';
import { useLinkWords } from './link-words';

const OwnEmail = graphql(/* GraphQL */ `
  query OwnEmail { me { id email } }
`);
const ChangeEmail = graphql(/* GraphQL */ `
  mutation ChangeEmail($input: ChangeEmailInput!) { changeEmail(input: $input) { sentTo } }
`);

/** The account's address, and another one, which counts when its owner has confirmed it. */
export function Email() {
  const { t } = useLingui();
  const words = useLinkWords();
  const [{ data }] = useQuery({ query: OwnEmail, requestPolicy: 'cache-and-network' });
  const [{ fetching }, change] = useMutation(ChangeEmail);
  const [mail, setMail] = useState<boolean>();
  const [editing, setEditing] = useState(false);
  const [sentTo, setSentTo] = useState<string>();
  const [error, setError] = useState<string>();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    waysIn().then(
      (ways) => setMail(ways.mail),
      () => undefined,
    );
  }, []);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const email = String(new FormData(event.currentTarget).get('email')).trim();
    setError(undefined);
    try {
      const result = await whenFresh(async () => orThrow(await change({ input: { email, locale: localeStore.get() } })));
      if (!result) return;
      setSentTo(result.data?.changeEmail.sentTo);
      setEditing(false);
    } catch (caught) {
      setError(words(caught));
      form.current?.querySelector('input')?.focus();
    }
  };
  return (
    <>
      <h3 className="mt-8 mb-3 font-medium">
        <Trans>E-mail</Trans>
      </h3>
      {data ? (
        <p className="text-sm break-words text-text-2">{data.me.email ?? <Trans>None. Without it, only an administrator can help when the password is forgotten.</Trans>}</p>
      ) : (
        <Skeleton className="h-5 w-60" />
      )}
      {sentTo && (
        <p role="status" className="mt-2 text-sm text-text-2">
          <Trans>A link is on its way to {sentTo}. The address counts when the link is followed, within 30 minutes.</Trans>
        </p>
      )}
      {mail === false ? (
        <p className="mt-2 text-sm text-text-3">
          <Trans>This cinema sends no e-mail: an administrator changes the address.</Trans>
        </p>
      ) : editing ? (
        <form ref={form} noValidate onSubmit={(event) => void submit(event)} className="mt-3 flex max-w-96 flex-col gap-4">
          <Field label={t`New address`} error={error}>
            {(control) => <Input {...control} type="email" name="email" autoComplete="email" autoCapitalize="none" spellCheck={false} maxLength={254} autoFocus />}
          </Field>
          <div className="flex flex-wrap gap-2">
            <Button type="submit" variant="primary" busy={fetching}>
              <Trans>Send a link</Trans>
            </Button>
            <Button onClick={() => setEditing(false)}>
              <Trans>Cancel</Trans>
            </Button>
          </div>
        </form>
      ) : (
        mail && (
          <Button className="mt-3" onClick={() => setEditing(true)}>
            {data?.me.email ? <Trans>Change the address</Trans> : <Trans>Add an address</Trans>}
          </Button>
        )
      )}
    </>
  );
}
