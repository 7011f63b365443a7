import { createRoute, Outlet, redirect } from '@tanstack/react-router';
import { RouteError } from '~/features/shell/route-error';
import { ApiProvider } from '~/lib/api/provider';
import { settled, useSession } from '~/lib/session';
import { rootRoute } from './root';

function SignedIn() {
  const session = useSession();
  // Signed out in this tab or another: the router's subscription leads to the sign-in page, nothing is drawn meanwhile.
  if (session.status !== 'in') return null;
  return (
    <ApiProvider>
      <Outlet />
    </ApiProvider>
  );
}

/** What only the signed-in may see; others are asked to sign in and come back. */
export const signedInRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'in',
  beforeLoad: async ({ location }) => {
    if ((await settled()).status !== 'in') {
      throw redirect({ to: '/signin', search: location.href === '/' ? {} : { next: location.href }, replace: true });
    }
  },
  component: SignedIn,
  errorComponent: RouteError,
});
