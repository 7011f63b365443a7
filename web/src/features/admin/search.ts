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
export const readUsersSearch = (raw: object): UsersSearch => bare({ q: text((raw as Raw).q) });
export const readJobsSearch = (raw: object): JobsSearch => bare({ show: one((raw as Raw).show, ['open', 'failed']) });

export const jobStates: Record<NonNullable<JobsSearch['show']>, MediaJobState[]> = {
  open: ['QUEUED', 'PROBING', 'ENCODING'],
  failed: ['FAILED', 'CANCELLED'],
};

export const readDashboardSearch = (raw: object): DashboardSearch =>
  bare({ days: one((raw as Raw).days, periods), demo: (raw as Raw).demo === false ? false : undefined });
