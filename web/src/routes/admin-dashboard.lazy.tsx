import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { Dashboard } from '~/features/admin/dashboard';
import { readDashboardSearch } from '~/features/admin/search';

const Page = () => <Dashboard search={readDashboardSearch(useSearch({ from: '/in/admin/' }))} />;

export const Route = createLazyRoute('/in/admin/')({ component: Page });
