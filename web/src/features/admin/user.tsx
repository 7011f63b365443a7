import { plural } from '@lingui/core/macro';
import { Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminUserQuery, AdminUserSignInsQuery } from '~/gql/graphql';
import { orThrow, whenFresh } from '~/lib/fresh';
import { can, useUser } from '~/lib/session';
import { usePages } from '~/lib/use-pages';
import { Button, ButtonLink } from '~/ui/button';
import { Chip } from '~/ui/chip';
import { Dialog } from '~/ui/dialog';
import { Checkbox } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { EmptyState } from '~/ui/states';
import { toast } from '~/ui/toast';
import { LoadError, Page, RowsSkeleton } from './page';
import { useDevice, useMoment, useRightsFault, useRoleText, useRoleTitle } from './rights';
import { UserKeys } from './user-keys';
import { UserWays } from './user-ways';

const UserDocument = graphql(/* GraphQL */ `
  query AdminUser($id: ID!) {
    user(id: $id) {
      id login email name roles permissions blocked createdAt lastSeenAt
      profiles { id name colour }
      sessions { id current createdAt usedAt client { kind browser system address network } }
    }
    roles { name title description permissions builtIn }
  }
`);
const SignInsDocument = graphql(/* GraphQL */ `
  query AdminUserSignIns($id: ID!, $first: Int!, $after: String) {
    user(id: $id) {
      id
      signIns(first: $first, after: $after) {
        pageInfo { hasNextPage endCursor }
        edges { cursor node { at method outcome client { kind browser system address network } } }
      }
    }
  }
`);
const UpdateUser = graphql(/* GraphQL */ `
  mutation UpdateUser($input: UpdateUserInput!) {
    updateUser(input: $input) { user { id roles permissions blocked sessions { id current createdAt usedAt client { kind browser system address network } } } }
  }
`);
const DeleteUser = graphql(/* GraphQL */ `
  mutation DeleteUser($input: DeleteUserInput!) { deleteUser(input: $input) { deletedId } }
`);
const EndUserSession = graphql(/* GraphQL */ `
  mutation EndUserSession($input: EndSessionInput!) { endSession(input: $input) { ended user { id sessions { id } } } }
`);
const EndUserSessions = graphql(/* GraphQL */ `
  mutation EndUserSessions($input: EndSessionsInput!) { endSessions(input: $input) { ended user { id sessions { id } } } }
`);

type User = NonNullable<AdminUserQuery['user']>;
type Role = AdminUserQuery['roles'][number];

/** One account: what it may do, where it is signed in, who tried to, and its end. */
export function UserPage({ id }: { id: string }) {
  const { t } = useLingui();
  const [{ data, error }, again] = useQuery({ query: UserDocument, variables: { id }, requestPolicy: 'cache-and-network' });
  const user = data?.user;
  return (
    <Page
      title={user?.name ?? t`Account`}
      note={user && user.login !== user.name && user.login}
      actions={
        <ButtonLink to="/admin/users" search={{}} icon={icons.back} variant="ghost">
          <Trans>All users</Trans>
        </ButtonLink>
      }
    >
      {user ? (
        <Account user={user} roles={data.roles} again={() => again({ requestPolicy: 'network-only' })} />
      ) : error ? (
        <LoadError what={<Trans>The account could not be loaded</Trans>} error={error} again={() => again({ requestPolicy: 'network-only' })} />
      ) : data ? (
        <EmptyState icon="user" title={<Trans>There is no such account</Trans>}>
          <Trans>It may have been deleted.</Trans>
        </EmptyState>
      ) : (
        <RowsSkeleton rows={4} />
      )}
    </Page>
  );
}

const Section = ({ id, title, children }: { id: string; title: ReactNode; children: ReactNode }) => (
  <section aria-labelledby={id} className="mb-8 max-w-3xl">
    <h2 id={id} className="mb-3 font-semibold">
      {title}
    </h2>
    {children}
  </section>
);

function Account({ user, roles, again }: { user: User; roles: readonly Role[]; again: () => void }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const moment = useMoment();
  const me = useUser().user.id === user.id;
  const writes = can('user:write');
  const [{ fetching }, update] = useMutation(UpdateUser);
  const set = async (change: { roles?: string[]; blocked?: boolean }, done: string, undo: { roles?: string[]; blocked?: boolean }) => {
    const save = (input: typeof change) => whenFresh(async () => orThrow(await update({ input: { id: user.id, ...input } })));
    try {
      if (!(await save(change))) return;
    } catch (error) {
      return void toast(words(error), { tone: 'danger' });
    }
    toast(done, {
      action: {
        label: t`Undo`,
        onPress: () => void save(undo).catch((error: unknown) => toast(words(error), { tone: 'danger' })),
      },
    });
  };
  return (
    <>
      <p className="mb-6 flex flex-wrap items-center gap-x-4 gap-y-2 text-sm text-text-2">
        <Chip tone={user.blocked ? 'danger' : 'ok'}>{user.blocked ? <Trans>Blocked</Trans> : <Trans>Open</Trans>}</Chip>
        <span>
          <Trans>Made {moment(user.createdAt)}</Trans>
        </span>
        <span>{user.lastSeenAt ? <Trans>Last seen {moment(user.lastSeenAt)}</Trans> : <Trans>Never seen</Trans>}</span>
        <span>
          <Trans>Profiles: {user.profiles.map((p) => p.name).join(', ')}</Trans>
        </span>
      </p>
      <RolesOf user={user} roles={roles} disabled={!writes || fetching} me={me} set={set} />
      <Devices user={user} writes={writes} again={again} />
      <Section id="api-keys" title={<Trans>API keys</Trans>}>
        <UserKeys id={user.id} writes={writes} />
      </Section>
      <SignIns id={user.id} />
      {writes && !me && <UserWays user={user} />}
      {writes && !me && (
        <Section id="end" title={<Trans>Block or delete</Trans>}>
          <div className="flex flex-wrap gap-3">
            <Button
              busy={fetching}
              onClick={() =>
                void set(
                  { blocked: !user.blocked },
                  user.blocked ? t`${user.name} may sign in again.` : t`${user.name} is blocked and signed out.`,
                  { blocked: user.blocked },
                )
              }
            >
              {user.blocked ? <Trans>Let sign in again</Trans> : <Trans>Block</Trans>}
            </Button>
            <Delete user={user} />
          </div>
        </Section>
      )}
    </>
  );
}

interface RolesProps {
  user: User;
  roles: readonly Role[];
  disabled: boolean;
  me: boolean;
  set: (change: { roles: string[] }, done: string, undo: { roles: string[] }) => Promise<void>;
}

function RolesOf({ user, roles, disabled, me, set }: RolesProps) {
  const { t } = useLingui();
  const roleTitle = useRoleTitle();
  const roleText = useRoleText();
  const toggle = (name: string) => {
    const next = user.roles.includes(name) ? user.roles.filter((r) => r !== name) : [...user.roles, name];
    // An account without any role could not even watch.
    const kept = next.length ? next : ['VIEWER'];
    if (kept.join() === user.roles.join()) return;
    void set({ roles: kept }, t`${user.name} is now: ${kept.map((r) => roleTitle(r, roles)).join(', ')}.`, { roles: [...user.roles] });
  };
  return (
    <Section id="roles" title={<Trans>Roles</Trans>}>
      <div role="group" aria-labelledby="roles" className="flex flex-col divide-y divide-line rounded-md border border-line">
        {roles.map((role) => {
          const held = user.roles.includes(role.name);
          // To take the admin's role from oneself is to lock oneself out; what one may not do one cannot give.
          const locked = (me && role.name === 'ADMIN') || (!held && role.permissions.some((p) => !can(p)));
          return (
            <Checkbox
              key={role.name}
              className="flex px-4 py-2 has-disabled:opacity-60"
              checked={held}
              disabled={disabled || locked}
              onChange={() => toggle(role.name)}
              label={
                <>
                  <span className="font-medium">{roleTitle(role.name, roles)}</span> <span className="text-text-3">{roleText(role)}</span>
                </>
              }
            />
          );
        })}
      </div>
    </Section>
  );
}

function Devices({ user, writes, again }: { user: User; writes: boolean; again: () => void }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const moment = useMoment();
  const device = useDevice();
  const [{ fetching: ending }, end] = useMutation(EndUserSession);
  const [{ fetching: endingAll }, endAll] = useMutation(EndUserSessions);
  const signOut = async (one?: string) => {
    try {
      const ended = await whenFresh(async () =>
        one
          ? orThrow(await end({ input: { id: one } })).data?.endSession.ended
          : orThrow(await endAll({ input: { userId: user.id } })).data?.endSessions.ended,
      );
      if (ended === undefined) return;
      toast(one ? t`The device is signed out.` : plural(ended, { one: '# device is signed out.', other: '# devices are signed out.' }));
    } catch (error) {
      toast(words(error), { tone: 'danger' });
    }
    again();
  };
  return (
    <Section id="devices" title={<Trans>Devices that are signed in</Trans>}>
      {user.sessions.length === 0 ? (
        <p className="text-sm text-text-3">
          <Trans>None at the moment.</Trans>
        </p>
      ) : (
        <ul className="divide-y divide-line rounded-md border border-line">
          {user.sessions.map((session) => (
            <li key={session.id} className="flex flex-wrap items-center gap-x-4 px-4 py-2 text-sm">
              <div className="min-w-48 flex-1">
                <div className="font-medium">{device(session.client)}</div>
                <div className="text-text-3">{session.current ? <Trans>This device</Trans> : <Trans>Last used {moment(session.usedAt)}</Trans>}</div>
              </div>
              {writes && !session.current && (
                <Button
                  size="sm"
                  variant="ghost"
                  icon="out"
                  busy={ending}
                  aria-label={t`Sign out ${device(session.client)}`}
                  onClick={() => void signOut(session.id)}
                >
                  <Trans>Sign out</Trans>
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
      {writes && user.sessions.some((s) => !s.current) && (
        <Button
          className="mt-3"
          icon="out"
          busy={endingAll}
          onClick={() => void signOut()}
        >
          <Trans>Sign out everywhere</Trans>
        </Button>
      )}
    </Section>
  );
}

function SignIns({ id }: { id: string }) {
  const moment = useMoment();
  const device = useDevice();
  const nothing = { edges: [], pageInfo: { hasNextPage: false } };
  const list = usePages(SignInsDocument, { id, first: 10 }, (data: AdminUserSignInsQuery) => data.user?.signIns ?? nothing);
  return (
    <Section id="sign-ins" title={<Trans>Sign-ins</Trans>}>
      {list.error && list.nodes.length === 0 ? (
        <LoadError what={<Trans>The sign-ins could not be loaded</Trans>} error={list.error} again={list.again} />
      ) : list.loading && list.nodes.length === 0 ? (
        <RowsSkeleton rows={3} />
      ) : list.nodes.length === 0 ? (
        <p className="text-sm text-text-3">
          <Trans>Nobody has tried.</Trans>
        </p>
      ) : (
        <ul className="divide-y divide-line rounded-md border border-line">
          {list.nodes.map((entry, i) => (
            <li key={`${entry.at} ${i}`} className="flex flex-wrap items-baseline gap-x-4 px-4 py-2 text-sm">
              <span className="min-w-48 flex-1">
                <span className={entry.outcome === 'SUCCEEDED' ? 'font-medium' : 'font-medium text-danger'}>
                  {entry.outcome === 'WRONG_PASSWORD' ? (
                    <Trans>Wrong password</Trans>
                  ) : entry.outcome === 'BLOCKED' ? (
                    <Trans>Refused: the account is blocked</Trans>
                  ) : entry.outcome === 'SECOND_FACTOR_DUE' ? (
                    <Trans>Right password, no second factor</Trans>
                  ) : entry.outcome === 'WRONG_FACTOR' ? (
                    <Trans>Wrong second factor</Trans>
                  ) : entry.outcome !== 'SUCCEEDED' ? (
                    <Trans>Refused</Trans>
                  ) : entry.method === 'SIGN_UP' ? (
                    <Trans>Account made</Trans>
                  ) : (
                    <Trans>Signed in</Trans>
                  )}
                </span>{' '}
                <span className="text-text-3">{device(entry.client)}</span>
              </span>
              <time dateTime={entry.at} className="text-text-2 tabular">
                {moment(entry.at)}
              </time>
            </li>
          ))}
        </ul>
      )}
      {list.hasMore && (
        <Button className="mt-3" busy={list.loading} onClick={list.more}>
          <Trans>Load more</Trans>
        </Button>
      )}
    </Section>
  );
}

function Delete({ user }: { user: User }) {
  const { t } = useLingui();
  const words = useRightsFault();
  const navigate = useNavigate();
  const [{ fetching }, remove] = useMutation(DeleteUser);
  const [asking, setAsking] = useState(false);
  const submit = async () => {
    try {
      if (!(await whenFresh(async () => orThrow(await remove({ input: { id: user.id } }))))) return;
    } catch (error) {
      return void toast(words(error), { tone: 'danger' });
    }
    setAsking(false);
    toast(t`The account of ${user.name} is deleted.`);
    await navigate({ to: '/admin/users', search: {} });
  };
  return (
    <>
      <Button variant="danger" icon={icons.trash} onClick={() => setAsking(true)}>
        <Trans>Delete the account</Trans>
      </Button>
      <Dialog
        open={asking}
        onOpenChange={setAsking}
        title={<Trans>Delete the account of {user.name}?</Trans>}
        description={<Trans>This cannot be undone.</Trans>}
        closeLabel={t`Close`}
        footer={
          <>
            <Button onClick={() => setAsking(false)}>
              <Trans>Keep it</Trans>
            </Button>
            <Button variant="danger" busy={fetching} onClick={() => void submit()}>
              <Trans>Delete</Trans>
            </Button>
          </>
        }
      >
        <ul className="list-disc space-y-2 pl-5 text-sm text-text-2">
          <li>
            <Trans>Its devices are signed out at once; its profiles and its history of sign-ins go.</Trans>
          </li>
          <li>
            <Trans>What it watched, listed and rated is erased within a minute.</Trans>
          </li>
          <li>
            <Trans>The statistics keep that someone watched, and no longer who.</Trans>
          </li>
        </ul>
      </Dialog>
    </>
  );
}
