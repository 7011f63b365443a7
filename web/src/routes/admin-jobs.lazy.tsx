import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { Jobs } from '~/features/admin/jobs';
import { readJobsSearch } from '~/features/admin/search';

const Page = () => <Jobs search={readJobsSearch(useSearch({ from: '/in/admin/jobs' }))} />;

export const Route = createLazyRoute('/in/admin/jobs')({ component: Page });
