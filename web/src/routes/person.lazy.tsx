import { createLazyRoute, useParams } from '@tanstack/react-router';
import { PersonPage } from '~/features/person/person';

function Page() {
  const { id } = useParams({ from: '/in/shell/person/$id' });
  return <PersonPage key={id} id={id} />;
}

export const Route = createLazyRoute('/in/shell/person/$id')({ component: Page });
