import { createLazyRoute } from '@tanstack/react-router';
import { ListPage } from '~/features/list/list';

export const Route = createLazyRoute('/in/shell/list')({ component: ListPage });
