import { createLazyRoute, useParams, useRouter } from '@tanstack/react-router';
import { useEffect } from 'react';
import { TitlePage } from '~/features/title/title';
import { warmEngine } from '~/player/engine';

/** Fetches the player ahead of the press, once the page has nothing else to do; not where data is dear. */
function useWarmPlayer() {
  const router = useRouter();
  useEffect(() => {
    if ((navigator as { connection?: { saveData?: boolean } }).connection?.saveData) return;
    const warm = () => {
      router.loadRouteChunk(router.routesById['/in/watch/$playableId'])?.catch(() => undefined); // The press tries again.
      warmEngine();
    };
    // Safari has no idle callback.
    const timer = 'requestIdleCallback' in window ? requestIdleCallback(warm, { timeout: 3_000 }) : setTimeout(warm, 1_000);
    return () => ('cancelIdleCallback' in window ? cancelIdleCallback(timer) : clearTimeout(timer));
  }, [router]);
}

function Page() {
  const { id } = useParams({ from: '/in/shell/title/$id' });
  useWarmPlayer();
  return <TitlePage key={id} id={id} />;
}

export const Route = createLazyRoute('/in/shell/title/$id')({ component: Page });
