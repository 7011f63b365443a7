import { createLazyRoute, useParams } from '@tanstack/react-router';
import { TitlePage } from '~/features/title/title';

function Page() {
  const { id } = useParams({ from: '/in/shell/title/$id' });
  return <TitlePage key={id} id={id} />;
}

export const Route = createLazyRoute('/in/shell/title/$id')({ component: Page });
