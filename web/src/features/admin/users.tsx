import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminUsersQuery, Role } from '~/gql/graphql';
import { useFaultText } from '~/lib/faults';
import { orThrow, whenFresh } from '~/lib/fresh';
import { can, useUser } from '~/lib/session';
import { Avatar } from '~/ui/avatar';
import { Button } from '~/ui/button';
import { Chip } from '~/ui/chip';
import { EmptyState } from '~/ui/states';
import { Table, Td, Th, Tr } from '~/ui/table';
import { toast } from '~/ui/toast';
import { LoadError, Page, RowsSkeleton } from './page';
import type { UsersSearch } from './search';
import { SearchBox } from './search-box';
import { usePages } from '~/lib/use-pages';

const UsersDocument = graphql(/* GraphQL */ `
  query AdminUsers($query: String, $first: Int!, $after: String) {
    users(query: $query, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges { cursor node { id login name roles blocked createdAt profiles { id name colour } } }
    }
  }
`);
const UpdateUser = graphql(/* GraphQL */ `
  mutation UpdateUser($input: UpdateUserInput!) { updateUser(input: $input) { user { id roles permissions blocked } } }
`);

type User = AdminUsersQuery['users']['edges'][number]['node'];
const roles: readonly Role[] = ['VIEWER', 'EDITOR', 'ANALYST', 'ADMIN'];

export function Users({ search }: { search: UsersSearch }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: '/admin/users' });
  const list = usePages(UsersDocument, { first: 50, query: search.q ?? null }, (data: AdminUsersQuery) => data.users);
  const total = list.data?.users.totalCount;
  return (
    <Page title={t`Users`} note={total !== undefined && <Plural value={total} one="# account" other="# accounts" />}>
      <div className="mb-3">
        <SearchBox label={t`Search by login or name`} value={search.q ?? ''} onChange={(q) => void navigate({ search: q ? { q } : {}, replace: true, resetScroll: false })} />
      </div>
      {list.error && list.nodes.length === 0 ? (
        <LoadError what={<Trans>The users could not be loaded</Trans>} error={list.error} again={list.again} />
      ) : list.loading && list.nodes.length === 0 ? (
        <RowsSkeleton />
      ) : list.nodes.length === 0 ? (
        <EmptyState icon="user" title={<Trans>Nobody of that name</Trans>}>
          <Trans>Look for a part of the login or the name.</Trans>
        </EmptyState>
      ) : (
        <>
          <Table label={t`Users`} className="lg:max-h-[calc(100dvh-210px)]">
            <thead>
              <tr>
                <Th className="min-w-40">
                  <Trans>Account</Trans>
                </Th>
                <Th>
                  <Trans>Roles</Trans>
                </Th>
                <Th className="max-lg:hidden">
                  <Trans>Profiles</Trans>
                </Th>
                <Th className="max-md:hidden">
                  <Trans>Made</Trans>
                </Th>
                <Th>
                  <Trans>Sign-in</Trans>
                </Th>
              </tr>
            </thead>
            <tbody>
              {list.nodes.map((user) => (
                <UserRow key={user.id} user={user} />
              ))}
            </tbody>
          </Table>
          {list.hasMore && (
            <Button className="mt-3" onClick={list.more} busy={list.loading}>
              <Trans>Load more</Trans>
            </Button>
          )}
        </>
      )}
    </Page>
  );
}

function UserRow({ user }: { user: User }) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const me = useUser().user.id === user.id;
  const writes = can('user:write');
  const [{ fetching }, update] = useMutation(UpdateUser);
  const roleName: Record<Role, string> = { VIEWER: t`Viewer`, EDITOR: t`Editor`, ANALYST: t`Analyst`, ADMIN: t`Admin` };
  const roleMeans: Record<Role, string> = {
    VIEWER: t`browses and watches`,
    EDITOR: t`manages titles, people, genres and uploads`,
    ANALYST: t`sees the statistics`,
    ADMIN: t`may do everything`,
  };
  const set = async (change: { roles?: Role[]; blocked?: boolean }, done: string, undo: { roles?: Role[]; blocked?: boolean }) => {
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
  const toggle = (role: Role) => {
    const next = roles.filter((r) => (r === role ? !user.roles.includes(r) : user.roles.includes(r)));
    // An account without any role could not even watch.
    const kept: Role[] = next.length ? next : ['VIEWER'];
    if (kept.join() === user.roles.join()) return;
    void set({ roles: kept }, t`${user.name} is now: ${kept.map((r) => roleName[r]).join(', ')}.`, { roles: [...user.roles] });
  };
  return (
    <Tr>
      <Td className="py-2">
        <span className="block font-medium">
          {user.name}
          {me && (
            <span className="ml-2 text-xs font-normal text-text-3">
              <Trans>you</Trans>
            </span>
          )}
        </span>
        {user.login !== user.name && <span className="block text-xs text-text-3">{user.login}</span>}
      </Td>
      <Td className="py-1">
        <span role="group" aria-label={t`Roles of ${user.name}`} className="flex flex-wrap gap-x-4 gap-y-0">
          {roles.map((role) => (
            <label key={role} title={roleMeans[role]} className="inline-flex min-h-11 items-center gap-2 text-sm whitespace-nowrap has-disabled:opacity-60 pointer-fine:min-h-8">
              <input
                type="checkbox"
                className="size-4 accent-(--accent)"
                checked={user.roles.includes(role)}
                // To take the admin's role from oneself is to lock oneself out.
                disabled={!writes || fetching || (me && role === 'ADMIN')}
                onChange={() => toggle(role)}
              />
              {roleName[role]}
            </label>
          ))}
        </span>
      </Td>
      <Td className="max-lg:hidden">
        <span className="flex gap-1" title={user.profiles.map((p) => p.name).join(', ')}>
          {user.profiles.map((p) => (
            <Avatar key={p.id} name={p.name} colour={p.colour} size={24} />
          ))}
          <span className="sr-only">{user.profiles.map((p) => p.name).join(', ')}</span>
        </span>
      </Td>
      <Td className="whitespace-nowrap text-text-2 max-md:hidden">
        <time dateTime={user.createdAt}>{new Date(user.createdAt).toLocaleDateString(i18n.locale, { dateStyle: 'medium' })}</time>
      </Td>
      <Td>
        {writes && !me ? (
          <Button
            size="sm"
            busy={fetching}
            variant={user.blocked ? 'secondary' : 'ghost'}
            onClick={() =>
              void set(
                { blocked: !user.blocked },
                user.blocked ? t`${user.name} may sign in again.` : t`${user.name} is blocked and signed out.`,
                { blocked: user.blocked },
              )
            }
            aria-label={user.blocked ? t`Let ${user.name} sign in` : t`Block ${user.name}`}
          >
            {user.blocked ? <Trans>Blocked · let in</Trans> : <Trans>Block</Trans>}
          </Button>
        ) : (
          <Chip tone={user.blocked ? 'danger' : 'ok'}>{user.blocked ? <Trans>Blocked</Trans> : <Trans>Open</Trans>}</Chip>
        )}
      </Td>
    </Tr>
  );
}
