import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { SignIn } from '~/features/auth/sign-in';
import { SignUp } from '~/features/auth/sign-up';

function SignInPage() {
  return <SignIn next={useSearch({ from: '/signin' }).next} />;
}

function SignUpPage() {
  return <SignUp next={useSearch({ from: '/signup' }).next} />;
}

export const SignInRoute = createLazyRoute('/signin')({ component: SignInPage });
export const SignUpRoute = createLazyRoute('/signup')({ component: SignUpPage });
