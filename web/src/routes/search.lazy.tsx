import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { SearchPage } from '~/features/search/search';

function Search() {
  return <SearchPage search={useSearch({ from: '/in/shell/search' })} />;
}

export const Route = createLazyRoute('/in/shell/search')({ component: Search });
