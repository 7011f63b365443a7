import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { Invitations } from '~/features/admin/invitations';
import { Users } from '~/features/admin/users';
import { readUsersSearch } from '~/features/admin/search';
import { ConfirmHost } from '~/features/auth/confirm-host';

function Page() {
  const search = readUsersSearch(useSearch({ from: '/in/admin/users' }));
  if (search.view !== 'invitations') return <Users search={search} />;
  return (
    <>
      <Invitations />
      <ConfirmHost />
    </>
  );
}

export const Route = createLazyRoute('/in/admin/users')({ component: Page });
