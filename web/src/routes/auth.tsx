import { withWords } from '~/lib/i18n';
import { createRoute, redirect } from '@tanstack/react-router';
import { samePath } from '~/lib/paths';
import { settled } from '~/lib/session';
import { rootRoute } from './root';

const validateSearch = (search: Record<string, unknown>): { next?: string } =>
  typeof search.next === 'string' && samePath(search.next) !== '/' ? { next: samePath(search.next) } : {};

/** Those who are signed in already have no business here. */
const onwards = async ({ search }: { search: { next?: string } }) => {
  const session = await settled().catch(() => undefined);
  if (session?.status === 'in') throw redirect({ href: samePath(search.next), replace: true });
};

export const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: 'signin',
  validateSearch,
  beforeLoad: onwards,
}).lazy(() => withWords('viewer', import('./auth.lazy').then((m) => m.SignInRoute)));

export const signUpRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: 'signup',
  validateSearch,
  beforeLoad: onwards,
}).lazy(() => withWords('viewer', import('./auth.lazy').then((m) => m.SignUpRoute)));

/** Where links of letters lead, and “Forgot the password?”; all in one route, which the first chunk hardly feels. */
export const wayRoute = createRoute({ getParentRoute: () => rootRoute, path: '$way' }).lazy(() =>
  withWords('viewer', import('./auth.lazy').then((m) => m.WayRoute)),
);
