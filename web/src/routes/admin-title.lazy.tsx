import { createLazyRoute, useParams } from '@tanstack/react-router';
import { TitleEdit } from '~/features/admin/title-edit';

function Page() {
  const { id } = useParams({ from: '/in/admin/titles/$id' });
  return <TitleEdit key={id} id={id} />;
}

export const Route = createLazyRoute('/in/admin/titles/$id')({ component: Page });
