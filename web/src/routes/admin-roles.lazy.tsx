import { createLazyRoute } from '@tanstack/react-router';
import { Roles } from '~/features/admin/roles';

export const Route = createLazyRoute('/in/admin/roles')({ component: Roles });
