import { createLazyRoute } from '@tanstack/react-router';
import { AccountPage } from '~/features/account/account';

export const Route = createLazyRoute('/in/shell/account')({ component: AccountPage });
