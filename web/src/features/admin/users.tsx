import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminUsersQuery } from '~/gql/graphql';
import { useUser } from '~/lib/session';
import { usePages } from '~/lib/use-pages';
import { Avatar } from '~/ui/avatar';
import { Button, ButtonLink } from '~/ui/button';
import { Chip } from '~/ui/chip';
import { Select } from '~/ui/field';
import { EmptyState } from '~/ui/states';
import { Table, Td, Th, Tr } from '~/ui/table';
import { LoadError, Page, RowsSkeleton } from './page';
import { useMoment, useRoleTitle } from './rights';
import type { UsersSearch } from './search';
import { SearchBox } from './search-box';
import { useRowKeys } from './use-row-keys';

const UsersDocument = graphql(/* GraphQL */ `
  query AdminUsers($query: String, $role: RoleName, $blocked: Boolean, $sort: UserSort, $first: Int!, $after: String) {
    users(query: $query, role: $role, blocked: $blocked, sort: $sort, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges { cursor node { id login name roles blocked createdAt lastSeenAt profiles { id name colour } } }
    }
  }
`);
const RoleNames = graphql(/* GraphQL */ `
  query AdminRoleNames { roles { name title } }
`);

type User = AdminUsersQuery['users']['edges'][number]['node'];

/** Accounts to find; a row leads to what can be done with one. */
export function Users({ search }: { search: UsersSearch }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: '/admin/users' });
  const roleTitle = useRoleTitle();
  const [{ data: known }] = useQuery({ query: RoleNames });
  const list = usePages(
    UsersDocument,
    { first: 50, query: search.q ?? null, role: search.role ?? null, blocked: search.blocked ? search.blocked === 'yes' : null, sort: search.sort ?? 'NEWEST' },
    (data: AdminUsersQuery) => data.users,
  );
  const keys = useRowKeys({ count: list.nodes.length, onOpen: (i) => void navigate({ to: '/admin/users/$id', params: { id: list.nodes[i]!.id } }) });
  const total = list.data?.users.totalCount;
  const set = (change: Partial<UsersSearch>) => void navigate({ search: (now: UsersSearch) => ({ ...now, ...change }), replace: true, resetScroll: false });
  const filtered = !!(search.q ?? search.role ?? search.blocked);
  return (
    <Page
      title={t`Users`}
      note={total !== undefined && <Plural value={total} one="# account" other="# accounts" />}
      actions={
        <ButtonLink to="/admin/users" search={{ view: 'invitations' }} icon="plus">
          <Trans>Invitations</Trans>
        </ButtonLink>
      }
    >
      <div className="mb-3 flex flex-wrap gap-2">
        <SearchBox label={t`Search by login or name`} value={search.q ?? ''} onChange={(q) => set({ q: q || undefined })} />
        <Select aria-label={t`Role`} className="max-w-44" value={search.role ?? ''} onChange={(e) => set({ role: e.target.value || undefined })}>
          <option value="">{t`All roles`}</option>
          {known?.roles.map((role) => (
            <option key={role.name} value={role.name}>
              {roleTitle(role.name, known.roles)}
            </option>
          ))}
        </Select>
        <Select aria-label={t`Sign-in`} className="max-w-44" value={search.blocked ?? ''} onChange={(e) => set({ blocked: (e.target.value || undefined) as UsersSearch['blocked'] })}>
          <option value="">{t`Blocked or not`}</option>
          <option value="yes">{t`Blocked`}</option>
          <option value="no">{t`Not blocked`}</option>
        </Select>
        <Select aria-label={t`Order`} className="max-w-44" value={search.sort ?? ''} onChange={(e) => set({ sort: (e.target.value || undefined) as UsersSearch['sort'] })}>
          <option value="">{t`Newest first`}</option>
          <option value="LAST_SEEN">{t`Last seen first`}</option>
        </Select>
      </div>
      {list.error && list.nodes.length === 0 ? (
        <LoadError what={<Trans>The users could not be loaded</Trans>} error={list.error} again={list.again} />
      ) : list.loading && list.nodes.length === 0 ? (
        <RowsSkeleton />
      ) : list.nodes.length === 0 ? (
        <EmptyState
          icon="user"
          title={<Trans>Nobody like that</Trans>}
          action={
            filtered && (
              <Button onClick={() => void navigate({ search: {} })}>
                <Trans>Show all accounts</Trans>
              </Button>
            )
          }
        >
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
                <Th className="max-md:hidden">
                  <Trans>Last seen</Trans>
                </Th>
                <Th>
                  <Trans>Sign-in</Trans>
                </Th>
              </tr>
            </thead>
            <tbody {...keys.body}>
              {list.nodes.map((user, i) => (
                <UserRow key={user.id} user={user} roles={user.roles.map((name) => roleTitle(name, known?.roles)).join(', ')} row={keys.row(i)} />
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

function UserRow({ user, roles, row }: { user: User; roles: string; row: ReturnType<ReturnType<typeof useRowKeys>['row']> }) {
  const { i18n } = useLingui();
  const moment = useMoment();
  const me = useUser().user.id === user.id;
  return (
    <Tr {...row}>
      <Td className="py-1">
        <Link to="/admin/users/$id" params={{ id: user.id }} tabIndex={-1} className="flex min-h-11 flex-col justify-center font-medium hover:underline">
          <span>
            {user.name}
            {me && (
              <span className="ml-2 text-xs font-normal text-text-3">
                <Trans>you</Trans>
              </span>
            )}
          </span>
          {user.login !== user.name && <span className="text-xs font-normal text-text-3">{user.login}</span>}
        </Link>
      </Td>
      <Td className="text-text-2">{roles}</Td>
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
      <Td className="whitespace-nowrap text-text-2 max-md:hidden">
        {user.lastSeenAt ? <time dateTime={user.lastSeenAt}>{moment(user.lastSeenAt)}</time> : <Trans>never</Trans>}
      </Td>
      <Td>
        <Chip tone={user.blocked ? 'danger' : 'ok'}>{user.blocked ? <Trans>Blocked</Trans> : <Trans>Open</Trans>}</Chip>
      </Td>
    </Tr>
  );
}
