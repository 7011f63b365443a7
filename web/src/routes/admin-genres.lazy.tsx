import { createLazyRoute } from '@tanstack/react-router';
import { Genres } from '~/features/admin/genres';

export const Route = createLazyRoute('/in/admin/genres')({ component: Genres });
