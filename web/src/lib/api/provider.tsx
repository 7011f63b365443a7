import { useEffect, useMemo, type ReactNode } from 'react';
import { Provider } from 'urql';
import { localeStore } from '~/lib/i18n';
import { useUser } from '~/lib/session';
import { useStore } from '~/lib/store';
import { makeApi } from './client';

/** Gives what is below it a client whose cache belongs to one profile in one language. */
export function ApiProvider({ children }: { children: ReactNode }) {
  const { profile } = useUser();
  const locale = useStore(localeStore);
  const key = `${profile.id} ${profile.ageLimit} ${locale}`;
  // The key is the whole identity: another profile, limit or language begins with an empty cache.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const api = useMemo(() => makeApi(locale), [key]);
  useEffect(() => () => api.close(), [api]);
  return (
    <Provider key={key} value={api.client}>
      {children}
    </Provider>
  );
}
