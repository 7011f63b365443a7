import { createLazyRoute } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { AccountPage } from '~/features/account/account';
import { Security } from '~/features/auth/security';
import { Skeleton } from '~/ui/skeleton';

const ApiKeys = lazy(() => import('~/features/auth/api-keys'));

export const Route = createLazyRoute('/in/shell/account')({
  component: () => (
    <AccountPage
      security={
        <>
          <Security />
          <Suspense fallback={<Skeleton className="mt-12 h-40 w-full" />}>
            <ApiKeys />
          </Suspense>
        </>
      }
    />
  ),
});
