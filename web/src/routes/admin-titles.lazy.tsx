import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { Titles } from '~/features/admin/titles';
import { readTitlesSearch } from '~/features/admin/search';

const Page = () => <Titles search={readTitlesSearch(useSearch({ from: '/in/admin/titles' }))} />;

export const Route = createLazyRoute('/in/admin/titles')({ component: Page });
