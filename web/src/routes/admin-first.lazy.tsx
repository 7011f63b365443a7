import { createLazyRoute, Navigate } from '@tanstack/react-router';
import { can } from '~/lib/session';

/** The first place of the panel that the account may use. */
const First = () => (
  <Navigate to={can('title:read') ? '/admin/titles' : can('user:read') ? '/admin/users' : can('role:write') ? '/admin/roles' : '/admin/audit'} search={{}} replace />
);

export const Route = createLazyRoute('/in/admin/')({ component: First });
