import { withWords } from '~/lib/i18n';
import { createRoute } from '@tanstack/react-router';
import { readTitleSearch } from '~/lib/title-search';
import { shellRoute } from './shell';
import { signedInRoute } from './signed-in';

/** The viewer's pages: addresses here, what they show in a chunk each. */
export const homeRoute = createRoute({ getParentRoute: () => shellRoute, path: '/' }).lazy(() =>
  import('./home.lazy').then((m) => m.Route),
);

export const searchRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: 'search',
  validateSearch: readTitleSearch,
}).lazy(() => withWords('viewer', import('./search.lazy').then((m) => m.Route)));

export const listRoute = createRoute({ getParentRoute: () => shellRoute, path: 'list' }).lazy(() =>
  withWords('viewer', import('./list.lazy').then((m) => m.Route)),
);

export const titleRoute = createRoute({ getParentRoute: () => shellRoute, path: 'title/$id' }).lazy(() =>
  withWords('viewer', import('./title.lazy').then((m) => m.Route)),
);

export const personRoute = createRoute({ getParentRoute: () => shellRoute, path: 'person/$id' }).lazy(() =>
  withWords('viewer', import('./person.lazy').then((m) => m.Route)),
);

export const accountRoute = createRoute({ getParentRoute: () => shellRoute, path: 'account' }).lazy(() =>
  withWords('viewer', import('./account.lazy').then((m) => m.Route)),
);

export const profilesRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: 'profiles',
  validateSearch: (search: Record<string, unknown>) => search as { next?: string; to?: string },
}).lazy(() => withWords('viewer', import('./profiles.lazy').then((m) => m.Route)));

export const watchRoute = createRoute({ getParentRoute: () => signedInRoute, path: 'watch/$playableId' }).lazy(() =>
  withWords('viewer', import('./watch.lazy').then((m) => m.Route)),
);
