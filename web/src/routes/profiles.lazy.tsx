import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { Chooser } from '~/features/profiles/chooser';

function ProfilesPage() {
  const { next, to } = useSearch({ from: '/in/profiles' });
  return <Chooser next={next} to={to} />;
}

export const Route = createLazyRoute('/in/profiles')({ component: ProfilesPage });
