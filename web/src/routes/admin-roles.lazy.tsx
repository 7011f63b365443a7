import { createLazyRoute } from '@tanstack/react-router';
import { Roles } from '~/features/admin/roles';
import { ConfirmHost } from '~/features/auth/confirm-host';

const Page = () => (
  <>
    <Roles />
    <ConfirmHost />
  </>
);

export const Route = createLazyRoute('/in/admin/roles')({ component: Page });
