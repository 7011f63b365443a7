import { createLazyRoute, useParams } from '@tanstack/react-router';
import { UserPage } from '~/features/admin/user';

function Page() {
  const { id } = useParams({ from: '/in/admin/users/$id' });
  return <UserPage key={id} id={id} />;
}

export const Route = createLazyRoute('/in/admin/users/$id')({ component: Page });
