import type { MediaJobState, TitleKind, TitleRecordSort, TitleStatus } from '~/gql/graphql';

/* What the addresses of the panel hold. Anyone may have written them: what makes no sense is dropped. */

export interface TitlesSearch {
  q?: string;
  kind?: TitleKind;
  status?: TitleStatus;
  genre?: string;
  playable?: 'yes' | 'no';
  sort?: TitleRecordSort;
  /** Columns that are put away. */
  hide?: TitleColumn[];
}

export const titleColumns = ['kind', 'year', 'genres', 'media', 'updated'] as const;
export type TitleColumn = (typeof titleColumns)[number];

export interface PeopleSearch {
  q?: string;
}

export interface UsersSearch {
  q?: string;
  role?: string;
  /** Whether they are blocked. */
  blocked?: 'yes' | 'no';
  sort?: 'LAST_SEEN';
  /** Invitations in place of accounts. */
  view?: 'invitations';
}

export interface AuditSearch {
  /** A login or an account's identifier, or operator. */
  actor?: string;
  action?: string;
  target?: string;
  /** Days, both included, as YYYY-MM-DD. */
  from?: string;
  to?: string;
}

export interface JobsSearch {
  show?: 'open' | 'failed';
}

export const periods = [7, 30, 90] as const;

export interface DashboardSearch {
  days?: (typeof periods)[number];
  /** Whether the demo's viewing counts; it does unless said otherwise. */
  demo?: boolean;
}

type Raw = Record<string, unknown>;

const text = (value: unknown) =>
  (typeof value === 'string' || typeof value === 'number') && String(value).trim() !== '' ? String(value).slice(0, 200) : undefined;

const one = <T extends string | number>(value: unknown, of: readonly T[]) => of.find((v) => v === value);

/** Leaves out what is not set, so that it leaves the address. */
const bare = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;

export function readTitlesSearch(raw: object): TitlesSearch {
  const s = raw as Raw;
  const hide = Array.isArray(s.hide) ? titleColumns.filter((c) => (s.hide as unknown[]).includes(c)) : [];
  return bare({
    q: text(s.q),
    kind: one(s.kind, ['FILM', 'SERIES']),
    status: one(s.status, ['DRAFT', 'PUBLISHED', 'DELETED']),
    genre: text(s.genre),
    playable: one(s.playable, ['yes', 'no']),
    sort: one(s.sort, ['UPDATED', 'NAME', 'YEAR']),
    hide: hide.length ? hide : undefined,
  });
}

export const readPeopleSearch = (raw: object): PeopleSearch => bare({ q: text((raw as Raw).q) });

/** A role's name goes into a query as it is: anything else would be refused as a whole. */
const roleName = (value: unknown) => (typeof value === 'string' && /^[A-Z][A-Z0-9_]{1,31}$/.test(value) ? value : undefined);

export const readUsersSearch = (raw: object): UsersSearch => {
  const s = raw as Raw;
  return bare({ q: text(s.q), role: roleName(s.role), blocked: one(s.blocked, ['yes', 'no']), sort: one(s.sort, ['LAST_SEEN']), view: one(s.view, ['invitations']) });
};

const day = (value: unknown) => (typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value)) ? value : undefined);

export const auditActions = [
  'user.', 'user.roles', 'user.block', 'user.unblock', 'user.sign_out', 'user.reset_password', 'user.reset_second_factor', 'user.delete',
  'user.delete_demo', 'user.password_link', 'user.email',
  'invitation.', 'invitation.create', 'invitation.withdraw', 'invitation.accept',
  'role.', 'role.create', 'role.update', 'role.delete',
  'key.', 'key.create', 'key.revoke',
] as const;

export const readAuditSearch = (raw: object): AuditSearch => {
  const s = raw as Raw;
  return bare({ actor: text(s.actor), action: one(s.action, auditActions), target: text(s.target), from: day(s.from), to: day(s.to) });
};
export const readJobsSearch = (raw: object): JobsSearch => bare({ show: one((raw as Raw).show, ['open', 'failed']) });

export const jobStates: Record<NonNullable<JobsSearch['show']>, MediaJobState[]> = {
  open: ['QUEUED', 'PROBING', 'ENCODING'],
  failed: ['FAILED', 'CANCELLED'],
};

export const readDashboardSearch = (raw: object): DashboardSearch =>
  bare({ days: one((raw as Raw).days, periods), demo: (raw as Raw).demo === false ? false : undefined });
