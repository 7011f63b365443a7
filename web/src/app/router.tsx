import { createRouter } from '@tanstack/react-router';
import { NotFound } from '~/features/shell/not-found';
import { RouteError } from '~/features/shell/route-error';
import { adminPages, adminRoute } from '~/routes/admin';
import { signInRoute, signUpRoute, wayRoute } from '~/routes/auth';
import { accountRoute, homeRoute, listRoute, personRoute, profilesRoute, searchRoute, titleRoute, watchRoute } from '~/routes/pages';
import { rootRoute } from '~/routes/root';
import { shellRoute } from '~/routes/shell';
import { signedInRoute } from '~/routes/signed-in';

const routeTree = rootRoute.addChildren([
  signInRoute,
  signUpRoute,
  wayRoute,
  signedInRoute.addChildren([
    shellRoute.addChildren([homeRoute, searchRoute, listRoute, titleRoute, personRoute, accountRoute]),
    watchRoute,
    profilesRoute,
    adminRoute.addChildren(adminPages),
  ]),
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: NotFound,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
