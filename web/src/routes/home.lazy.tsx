import { createLazyRoute } from '@tanstack/react-router';
import { HomePage } from '~/features/home/home';

export const Route = createLazyRoute('/in/shell/')({ component: HomePage });
