import { useEffect } from 'react';
import { createStore } from './store';

/** What the page is called, for the live region at the root. */
export const pageTitleStore = createStore('');

/** Names the page in the tab and to screen readers; undefined while it is not known yet. */
export function usePageTitle(title: string | undefined) {
  useEffect(() => {
    if (title === undefined) return;
    document.title = title ? `${title} · NetflixAtHome` : 'NetflixAtHome';
    pageTitleStore.set(title || 'NetflixAtHome');
  }, [title]);
}
