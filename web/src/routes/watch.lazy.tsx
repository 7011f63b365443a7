import { createLazyRoute, useParams } from '@tanstack/react-router';
import { WatchPage } from '~/player/watch';

function Page() {
  const { playableId } = useParams({ from: '/in/watch/$playableId' });
  return <WatchPage key={playableId} id={playableId} />;
}

export const Route = createLazyRoute('/in/watch/$playableId')({ component: Page });
