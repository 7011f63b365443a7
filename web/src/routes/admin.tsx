import { createRoute, notFound, redirect } from '@tanstack/react-router';
import { NotFound } from '~/features/shell/not-found';
import { RouteError } from '~/features/shell/route-error';
import type { AuditSearch, DashboardSearch, JobsSearch, PeopleSearch, TitlesSearch, UsersSearch } from '~/features/admin/search';
import { withWords } from '~/lib/i18n';
import { can, sessionStore } from '~/lib/session';
import type { pages } from './admin.lazy';
import { signedInRoute } from './signed-in';

/** The admin panel, in chunks of its own. To those who may do nothing in it, it is not there. */
export const adminRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: 'admin',
  beforeLoad: () => {
    const session = sessionStore.get();
    if (session.status !== 'in' || !session.user.permissions.length) throw notFound();
  },
  errorComponent: RouteError,
  notFoundComponent: NotFound,
}).lazy(() => withWords('admin', import('./admin.lazy').then((m) => m.Route)));

/** Addresses are read where they are used, with the page's own chunk: see features/admin/search.ts. */
const as =
  <T extends object>() =>
  (search: Record<string, unknown>) =>
    search as T;

const at = { getParentRoute: () => adminRoute } as const;

/** Through the panel's own chunk, so that the names of its pages' chunks stay out of the first one. */
const load = (page: keyof typeof pages) => () => import('./admin.lazy').then((m) => m.pages[page]());

export const adminPages = [
  createRoute({
    ...at,
    path: '/',
    validateSearch: as<DashboardSearch>(),
    // Who may not see the statistics begins where they may be.
    beforeLoad: () => {
      if (!can('stats:read')) {
        throw redirect({ to: can('title:read') ? '/admin/titles' : '/admin/users', search: {}, replace: true });
      }
    },
  }).lazy(load('dashboard')),
  createRoute({ ...at, path: 'titles', validateSearch: as<TitlesSearch>() }).lazy(load('titles')),
  createRoute({ ...at, path: 'titles/$id' }).lazy(load('title')),
  createRoute({ ...at, path: 'genres' }).lazy(load('genres')),
  createRoute({ ...at, path: 'people', validateSearch: as<PeopleSearch>() }).lazy(load('people')),
  createRoute({ ...at, path: 'jobs', validateSearch: as<JobsSearch>() }).lazy(load('jobs')),
  createRoute({ ...at, path: 'users', validateSearch: as<UsersSearch>() }).lazy(load('users')),
  createRoute({ ...at, path: 'users/$id' }).lazy(load('user')),
  createRoute({ ...at, path: 'roles' }).lazy(load('roles')),
  createRoute({ ...at, path: 'audit', validateSearch: as<AuditSearch>() }).lazy(load('audit')),
] as const;
