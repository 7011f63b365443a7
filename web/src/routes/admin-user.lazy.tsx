import { createLazyRoute, useParams } from '@tanstack/react-router';
import { UserPage } from '~/features/admin/user';
import { ConfirmHost } from '~/features/auth/confirm-host';

function Page() {
  const { id } = useParams({ from: '/in/admin/users/$id' });
  return (
    <>
      <UserPage key={id} id={id} />
      <ConfirmHost />
    </>
  );
}

export const Route = createLazyRoute('/in/admin/users/$id')({ component: Page });
