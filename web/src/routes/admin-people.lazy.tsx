import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { People } from '~/features/admin/people';
import { readPeopleSearch } from '~/features/admin/search';

const Page = () => <People search={readPeopleSearch(useSearch({ from: '/in/admin/people' }))} />;

export const Route = createLazyRoute('/in/admin/people')({ component: Page });
