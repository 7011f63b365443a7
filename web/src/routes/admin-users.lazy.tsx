import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { Users } from '~/features/admin/users';
import { readUsersSearch } from '~/features/admin/search';
import { ConfirmHost } from '~/features/auth/confirm-host';

const Page = () => (
  <>
    <Users search={readUsersSearch(useSearch({ from: '/in/admin/users' }))} />
    <ConfirmHost />
  </>
);

export const Route = createLazyRoute('/in/admin/users')({ component: Page });
