import { createRoute, Outlet, useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Header } from '~/features/shell/header';
import { NotFound } from '~/features/shell/not-found';
import { RouteError } from '~/features/shell/route-error';
import { signedInRoute } from './signed-in';

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

function Shell() {
  const navigate = useNavigate();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      event.preventDefault();
      const box = document.querySelector<HTMLInputElement>('input[type=search]');
      if (box) box.select();
      else void navigate({ to: '/search', search: {} });
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [navigate]);
  return (
    <>
      <Header />
      <Outlet />
    </>
  );
}

/** Pages with the header; the player and the admin panel have frames of their own. */
export const shellRoute = createRoute({
  getParentRoute: () => signedInRoute,
  id: 'shell',
  component: Shell,
  errorComponent: RouteError,
  notFoundComponent: NotFound,
});
