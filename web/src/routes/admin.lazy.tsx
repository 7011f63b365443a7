import { createLazyRoute } from '@tanstack/react-router';
import { AdminFrame } from '~/features/admin/frame';
import { withWords } from '~/lib/i18n';

export const Route = createLazyRoute('/in/admin')({ component: AdminFrame });

/** The panel's pages, a chunk each. */
export const pages = {
  dashboard: () => import('./admin-dashboard.lazy').then((m) => m.Route),
  titles: () => import('./admin-titles.lazy').then((m) => m.Route),
  title: () => import('./admin-title.lazy').then((m) => m.Route),
  genres: () => import('./admin-genres.lazy').then((m) => m.Route),
  people: () => import('./admin-people.lazy').then((m) => m.Route),
  jobs: () => import('./admin-jobs.lazy').then((m) => m.Route),
  users: () => import('./admin-users.lazy').then((m) => m.Route),
  // Who is there is asked in the words of the viewer's pages.
  user: () => withWords('viewer', import('./admin-user.lazy').then((m) => m.Route)),
  roles: () => withWords('viewer', import('./admin-roles.lazy').then((m) => m.Route)),
  audit: () => import('./admin-audit.lazy').then((m) => m.Route),
};
