import { Trans, useLingui } from '@lingui/react/macro';
import { useState, type FormEvent } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminInvitationsQuery } from '~/gql/graphql';
import { orThrow, whenFresh } from '~/lib/fresh';
import { localeStore } from '~/lib/i18n';
import { can } from '~/lib/session';
import { Button, ButtonLink } from '~/ui/button';
import { Checkbox, Field, Input, Select } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { EmptyState } from '~/ui/states';
import { toast } from '~/ui/toast';
import { LoadError, Page, RowsSkeleton } from './page';
import { useMoment, useRightsFault, useRoleTitle } from './rights';
import { ShownLink } from './shown-link';

const InvitationsDocument = graphql(/* GraphQL */ `
  query AdminInvitations {
    waysIn { signUp mail }
    invitations { id roles email note createdAt expiresAt by { id name } }
    roles { name title permissions }
  }
`);
const CreateInvitation = graphql(/* GraphQL */ `
  mutation CreateInvitation($input: CreateInvitationInput!) { createInvitation(input: $input) { url sent invitation { id email } } }
`);
const WithdrawInvitation = graphql(/* GraphQL */ `
  mutation WithdrawInvitation($input: WithdrawInvitationInput!) { withdrawInvitation(input: $input) { withdrawnId } }
`);

type Role = AdminInvitationsQuery['roles'][number];
type Invitation = AdminInvitationsQuery['invitations'][number];

/** Invitations that are open, and a new one. */
export function Invitations() {
  const { t } = useLingui();
  const [{ data, error }, ask] = useQuery({ query: InvitationsDocument, requestPolicy: 'network-only' });
  const again = () => ask({ requestPolicy: 'network-only' });
  return (
    <Page
      title={t`Invitations`}
      actions={
        <ButtonLink to="/admin/users" search={{}} icon={icons.back} variant="ghost">
          <Trans>All users</Trans>
        </ButtonLink>
      }
    >
      {data ? (
        <>
          {data.waysIn.signUp === 'CLOSED' ? (
            <p className="mb-6 text-sm text-text-2">
              <Trans>This cinema takes no new accounts: CINEMA_SIGN_UP says so.</Trans>
            </p>
          ) : (
            can('user:write') && <NewInvitation roles={data.roles} mail={data.waysIn.mail} again={again} />
          )}
          <Open list={data.invitations} roles={data.roles} again={again} />
        </>
      ) : error ? (
        <LoadError what={<Trans>The invitations could not be loaded</Trans>} error={error} again={again} />
      ) : (
        <RowsSkeleton rows={4} />
      )}
    </Page>
  );
}

function NewInvitation({ roles, mail, again }: { roles: readonly Role[]; mail: boolean; again: () => void }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const roleTitle = useRoleTitle();
  const [chosen, setChosen] = useState<readonly string[]>(['VIEWER']);
  const [made, setMade] = useState<{ url: string; to?: string }>();
  const [error, setError] = useState<string>();
  const [{ fetching }, create] = useMutation(CreateInvitation);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const text = (name: string) => String(data.get(name)).trim();
    setError(undefined);
    try {
      const input = { roles: [...chosen], email: text('email') || null, days: Number(text('days')), note: text('note'), locale: localeStore.get() };
      const answer = (await whenFresh(async () => orThrow(await create({ input }))))?.data?.createInvitation;
      if (!answer) return;
      setMade({ url: answer.url, to: answer.sent ? (answer.invitation.email ?? undefined) : undefined });
      form.reset();
      again();
    } catch (caught) {
      setError(words(caught));
    }
  };
  return (
    <section aria-labelledby="new-invitation" className="mb-8 max-w-3xl">
      <h2 id="new-invitation" className="mb-3 font-semibold">
        <Trans>Invite someone</Trans>
      </h2>
      <form noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t`E-mail`} hint={mail ? t`Optional. The link is sent there, and it is the login.` : t`Optional. It is the login.`}>
            {(control) => <Input {...control} type="email" name="email" autoComplete="off" autoCapitalize="none" spellCheck={false} maxLength={254} />}
          </Field>
          <Field label={t`Good for`}>
            {(control) => (
              <Select {...control} name="days" defaultValue="7">
                {[1, 3, 7, 14, 30].map((n) => (
                  <option key={n} value={n}>
                    {new Intl.NumberFormat(localeStore.get(), { style: 'unit', unit: 'day', unitDisplay: 'long' }).format(n)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <fieldset>
          <legend className="mb-1 text-sm font-medium text-text-2">
            <Trans>Roles</Trans>
          </legend>
          <div className="flex flex-wrap gap-x-6">
            {roles.map((role) => (
              <Checkbox
                key={role.name}
                checked={chosen.includes(role.name)}
                disabled={role.permissions.some((p) => !can(p))}
                onChange={() => setChosen(chosen.includes(role.name) ? chosen.filter((r) => r !== role.name) : [...chosen, role.name])}
                label={roleTitle(role.name, roles)}
              />
            ))}
          </div>
        </fieldset>
        <Field label={t`Note`} hint={t`For administrators; whoever is invited does not see it.`}>
          {(control) => <Input {...control} name="note" autoComplete="off" maxLength={200} />}
        </Field>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {error}
        </div>
        <Button type="submit" variant="primary" className="self-start" busy={fetching} disabled={!chosen.length}>
          <Trans>Make an invitation</Trans>
        </Button>
      </form>
      {made && (
        <div role="status" className="mt-4 text-sm text-text-2">
          {made.to ? <Trans>Sent to {made.to}. This is the link; it is not shown again.</Trans> : <Trans>This is the link to hand over; it is not shown again.</Trans>}
          <ShownLink url={made.url} />
        </div>
      )}
    </section>
  );
}

function Open({ list, roles, again }: { list: readonly Invitation[]; roles: readonly Role[]; again: () => void }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const moment = useMoment();
  const roleTitle = useRoleTitle();
  const [, withdraw] = useMutation(WithdrawInvitation);
  const [busy, setBusy] = useState<string>();
  const end = async (id: string) => {
    setBusy(id);
    try {
      orThrow(await withdraw({ input: { id } }));
      toast(t`The invitation is withdrawn.`);
    } catch (error) {
      toast(words(error), { tone: 'danger' });
    }
    setBusy(undefined);
    again();
  };
  return (
    <section aria-labelledby="open-invitations" className="max-w-3xl">
      <h2 id="open-invitations" className="mb-3 font-semibold">
        <Trans>Open invitations</Trans>
      </h2>
      {list.length === 0 ? (
        <EmptyState icon="user" title={<Trans>None is open</Trans>}>
          <Trans>One that was accepted or has ended is not shown; the audit log knows of it.</Trans>
        </EmptyState>
      ) : (
        <ul className="divide-y divide-line rounded-md border border-line">
          {list.map((one) => {
            const name = one.email ?? (one.note || t`Anyone with the link`);
            return (
              <li key={one.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2 text-sm">
                <div className="min-w-48 flex-1">
                  <div className="font-medium break-words">{name}</div>
                  <div className="text-text-3">
                    {[one.roles.map((r) => roleTitle(r, roles)).join(', '), one.email ? one.note : '', t`until ${moment(one.expiresAt)}`, one.by.name].filter(Boolean).join(' · ')}
                  </div>
                </div>
                {can('user:write') && (
                  <Button size="sm" variant="ghost" busy={busy === one.id} aria-label={t`Withdraw the invitation: ${name}`} onClick={() => void end(one.id)}>
                    <Trans>Withdraw</Trans>
                  </Button>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
