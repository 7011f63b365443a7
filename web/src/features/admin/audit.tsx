import { Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { graphql } from '~/gql/gql';
import type { AdminAuditQuery } from '~/gql/graphql';
import { usePages } from '~/lib/use-pages';
import { Button } from '~/ui/button';
import { Input, Select } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { EmptyState } from '~/ui/states';
import { Table, Td, Th, Tr } from '~/ui/table';
import { LoadError, Page, RowsSkeleton } from './page';
import { useDevice, useMoment, useRoleTitle } from './rights';
import { auditActions, type AuditSearch } from './search';
import { SearchBox } from './search-box';

const AuditDocument = graphql(/* GraphQL */ `
  query AdminAudit($filter: AuditFilter, $first: Int!, $after: String) {
    audit(filter: $filter, first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges { cursor node { id at action target before after actor { id login name } person { id login name } client { browser system address } } }
    }
  }
`);

type Entry = AdminAuditQuery['audit']['edges'][number]['node'];

/** The beginning of a day where the reader is, and of the day after it. */
const dayStart = (day: string | undefined, plus = 0) => {
  if (!day) return null;
  const [y, m, d] = day.split('-').map(Number);
  return new Date(y!, m! - 1, d! + plus).toISOString();
};

/** What administrators did; nothing here can be changed. */
export function Audit({ search }: { search: AuditSearch }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: '/admin/audit' });
  const actionName = useActionName();
  const list = usePages(
    AuditDocument,
    {
      first: 50,
      filter: { actor: search.actor ?? null, action: search.action ?? null, target: search.target ?? null, from: dayStart(search.from), to: dayStart(search.to, 1) },
    },
    (data: AdminAuditQuery) => data.audit,
  );
  const set = (change: Partial<AuditSearch>) => void navigate({ search: (now: AuditSearch) => ({ ...now, ...change }), replace: true, resetScroll: false });
  return (
    <Page title={t`Audit log`}>
      <div className="mb-3 flex flex-wrap gap-2">
        <SearchBox className="sm:w-52" label={t`By whom: login`} value={search.actor ?? ''} onChange={(actor) => set({ actor: actor || undefined })} />
        <SearchBox className="sm:w-52" label={t`On what: login or role`} value={search.target ?? ''} onChange={(target) => set({ target: target || undefined })} />
        <Select aria-label={t`What was done`} className="sm:max-w-56" value={search.action ?? ''} onChange={(e) => set({ action: e.target.value || undefined })}>
          <option value="">{t`Everything`}</option>
          {auditActions.map((action) => (
            <option key={action} value={action}>
              {actionName(action)}
            </option>
          ))}
        </Select>
        <span className="flex items-center gap-2 text-sm text-text-3 max-sm:w-full">
          <span aria-hidden className="max-sm:w-8">
            <Trans>from</Trans>
          </span>
          <Input type="date" aria-label={t`First day`} className="w-auto max-sm:grow pointer-fine:h-10" value={search.from ?? ''} onChange={(e) => set({ from: e.target.value || undefined })} />
        </span>
        <span className="flex items-center gap-2 text-sm text-text-3 max-sm:w-full">
          <span aria-hidden className="max-sm:w-8">
            <Trans>to</Trans>
          </span>
          <Input type="date" aria-label={t`Last day`} className="w-auto max-sm:grow pointer-fine:h-10" value={search.to ?? ''} onChange={(e) => set({ to: e.target.value || undefined })} />
        </span>
      </div>
      {list.error && list.nodes.length === 0 ? (
        <LoadError what={<Trans>The log could not be loaded</Trans>} error={list.error} again={list.again} />
      ) : list.loading && list.nodes.length === 0 ? (
        <RowsSkeleton />
      ) : list.nodes.length === 0 ? (
        <EmptyState icon={icons.list} title={Object.values(search).some(Boolean) ? <Trans>Nothing of that kind</Trans> : <Trans>Nothing yet</Trans>}>
          <Trans>What administrators do to accounts and roles is written down here.</Trans>
        </EmptyState>
      ) : (
        <>
          <Table label={t`Audit log`} className="lg:max-h-[calc(100dvh-210px)]">
            <thead>
              <tr>
                <Th>
                  <Trans>When</Trans>
                </Th>
                <Th>
                  <Trans>Who</Trans>
                </Th>
                <Th className="min-w-36">
                  <Trans>What</Trans>
                </Th>
                <Th className="min-w-48 max-md:hidden">
                  <Trans>Before and after</Trans>
                </Th>
                <Th className="max-lg:hidden">
                  <Trans>From where</Trans>
                </Th>
              </tr>
            </thead>
            <tbody>
              {list.nodes.map((entry) => (
                <EntryRow key={entry.id} entry={entry} action={actionName(entry.action)} />
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

function EntryRow({ entry, action }: { entry: Entry; action: string }) {
  const { t } = useLingui();
  const moment = useMoment();
  const device = useDevice();
  const roleTitle = useRoleTitle();
  const target = entry.person ? (entry.person.name ?? t`a deleted account`) : entry.target === 'demo' ? '' : roleTitle(entry.target);
  const changes = <Changes before={entry.before} after={entry.after} />;
  return (
    <Tr>
      <Td className="py-2 align-top whitespace-nowrap text-text-2">
        <time dateTime={entry.at}>{moment(entry.at)}</time>
      </Td>
      <Td className="py-2 align-top">{entry.actor ? (entry.actor.name ?? t`a deleted account`) : t`the operator`}</Td>
      <Td className="py-2 align-top">
        <span className="block font-medium">{action}</span>
        {target && (
          <span className="block text-text-2" title={entry.target}>
            {target}
          </span>
        )}
        <span className="block md:hidden">{changes}</span>
      </Td>
      <Td className="py-2 align-top max-md:hidden">{changes}</Td>
      <Td className="py-2 align-top text-text-2 max-lg:hidden">{entry.actor && device(entry.client)}</Td>
    </Tr>
  );
}

/** The facts as they were and are, those alone that differ. */
function Changes({ before, after }: { before?: string | null; after?: string | null }) {
  const parse = (text?: string | null) => (text ? (JSON.parse(text) as Record<string, unknown>) : {});
  const [was, is] = [parse(before), parse(after)];
  const show = (value: unknown) => (value === undefined ? '' : Array.isArray(value) ? value.join(', ') || '—' : String(value) || '—');
  const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((key) => show(was[key]) !== show(is[key]));
  return (
    <dl className="space-y-1 text-xs">
      {keys.map((key) => (
        <div key={key} className="break-words">
          <dt className="inline text-text-3">{key}: </dt>
          <dd className="inline">
            {key in was && <del className="text-text-3">{show(was[key])}</del>} {key in is && <ins className="no-underline">{show(is[key])}</ins>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function useActionName() {
  const { t } = useLingui();
  const names: Record<string, string> = {
    'user.': t`Everything with accounts`,
    'user.roles': t`Roles of an account`,
    'user.block': t`Account blocked`,
    'user.unblock': t`Account let in again`,
    'user.sign_out': t`Devices signed out`,
    'user.reset_password': t`Password reset`,
    'user.reset_second_factor': t`Second factor reset`,
    'user.delete': t`Account deleted`,
    'user.delete_demo': t`Synthetic viewers deleted`,
    'user.password_link': t`Link for a new password made`,
    'user.email': t`Address changed`,
    'invitation.': t`Everything with invitations`,
    'invitation.create': t`Invitation made`,
    'invitation.withdraw': t`Invitation withdrawn`,
    'invitation.accept': t`Invitation accepted`,
    'role.': t`Everything with roles`,
    'role.create': t`Role made`,
    'role.update': t`Role changed`,
    'role.delete': t`Role deleted`,
    'key.': t`Everything with API keys`,
    'key.create': t`API key made`,
    'key.revoke': t`API key revoked`,
  };
  return (action: string) => names[action] ?? action;
}
