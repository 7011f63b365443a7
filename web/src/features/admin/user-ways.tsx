import { Trans, useLingui } from '@lingui/react/macro';
import { useState, type FormEvent } from 'react';
import { useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import { orThrow, whenFresh } from '~/lib/fresh';
import { Button } from '~/ui/button';
import { Field, Input } from '~/ui/field';
import { toast } from '~/ui/toast';
import { useRightsFault } from './rights';
import { ShownLink } from './shown-link';

const MakePasswordLink = graphql(/* GraphQL */ `
  mutation MakePasswordLink($input: MakePasswordLinkInput!) { makePasswordLink(input: $input) { url } }
`);
const SetEmail = graphql(/* GraphQL */ `
  mutation SetEmail($input: SetEmailInput!) { setEmail(input: $input) { user { id login email } } }
`);

/** Ways back into an account, for whoever lost theirs: a link for a new password, another address. */
export function UserWays({ user }: { user: { id: string; login: string; email?: string | null } }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const [{ fetching: making }, make] = useMutation(MakePasswordLink);
  const [{ fetching: setting }, set] = useMutation(SetEmail);
  const [url, setUrl] = useState<string>();
  const makeLink = async () => {
    try {
      const result = await whenFresh(async () => orThrow(await make({ input: { userId: user.id } })));
      if (result) setUrl(result.data?.makePasswordLink.url);
    } catch (error) {
      toast(words(error), { tone: 'danger' });
    }
  };
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const email = String(new FormData(event.currentTarget).get('email')).trim() || null;
    try {
      if (await whenFresh(async () => orThrow(await set({ input: { userId: user.id, email } })))) toast(t`The address is saved.`);
    } catch (error) {
      toast(words(error), { tone: 'danger' });
    }
  };
  return (
    <section aria-labelledby="ways" className="mb-8 max-w-3xl">
      <h2 id="ways" className="mb-3 font-semibold">
        <Trans>Ways back</Trans>
      </h2>
      <p className="mb-3 text-sm text-text-2">
        <Trans>A link with which its owner chooses a new password: good once, for 30 minutes, and only the newest. All devices are signed out then.</Trans>
      </p>
      <Button busy={making} onClick={() => void makeLink()}>
        <Trans>Make a link for a new password</Trans>
      </Button>
      {url && <ShownLink url={url} />}
      <form noValidate onSubmit={(event) => void submit(event)} className="mt-5 flex flex-wrap items-end gap-2">
        <Field label={t`E-mail`} className="min-w-60 flex-1">
          {(control) => (
            <Input key={user.email} {...control} type="email" name="email" autoComplete="off" autoCapitalize="none" spellCheck={false} maxLength={254} defaultValue={user.email ?? ''} />
          )}
        </Field>
        <Button type="submit" busy={setting}>
          <Trans>Save the address</Trans>
        </Button>
      </form>
      <p className="mt-2 text-sm text-text-3">
        <Trans>It counts at once, without the owner’s word. Where the login is an address, it becomes the login.</Trans>
      </p>
    </section>
  );
}
