import { createLazyRoute, useParams, useSearch } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { SignIn } from '~/features/auth/sign-in';
import { SignUp } from '~/features/auth/sign-up';
import { NotFound } from '~/features/shell/not-found';

const Way = lazy(() => import('~/features/auth/ways').then((m) => ({ default: m.Way })));

function WayPage() {
  return (
    <Suspense>
      <Way name={useParams({ from: '/$way' }).way} otherwise={<NotFound />} />
    </Suspense>
  );
}

function SignInPage() {
  return <SignIn next={useSearch({ from: '/signin' }).next} />;
}

function SignUpPage() {
  return <SignUp next={useSearch({ from: '/signup' }).next} />;
}

export const SignInRoute = createLazyRoute('/signin')({ component: SignInPage });
export const SignUpRoute = createLazyRoute('/signup')({ component: SignUpPage });
export const WayRoute = createLazyRoute('/$way')({ component: WayPage });
