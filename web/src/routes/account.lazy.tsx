import { createLazyRoute } from '@tanstack/react-router';
import { AccountPage } from '~/features/account/account';
import { Security } from '~/features/auth/security';

export const Route = createLazyRoute('/in/shell/account')({ component: () => <AccountPage security={<Security />} /> });
