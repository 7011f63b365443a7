import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { Users } from '~/features/admin/users';
import { readUsersSearch } from '~/features/admin/search';

const Page = () => <Users search={readUsersSearch(useSearch({ from: '/in/admin/users' }))} />;

export const Route = createLazyRoute('/in/admin/users')({ component: Page });
