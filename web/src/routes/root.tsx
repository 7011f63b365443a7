import { Trans, useLingui } from '@lingui/react/macro';
import { createRootRoute, Outlet, useLocation } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useRef } from 'react';
import { NotFound } from '~/features/shell/not-found';
import { RouteError } from '~/features/shell/route-error';
import { useOnline } from '~/lib/online';
import { record } from '~/lib/events/record';
import { pageTitleStore } from '~/lib/page';
import { withWords } from '~/lib/i18n';
import { sessionStore } from '~/lib/session';
import { standing } from '~/lib/standing';
import { useStore } from '~/lib/store';
import { Icon } from '~/ui/icon';
import { Toaster } from '~/ui/toast';

function Root() {
  const { t } = useLingui();
  const title = useStore(pageTitleStore);
  const path = useLocation({ select: (l) => l.pathname });
  const signedIn = useStore(sessionStore, (s) => s.status === 'in');
  useEffect(() => {
    if (signedIn) record({ name: 'PAGE_VIEWED', page: path.slice(0, 200) });
  }, [path, signedIn]);
  const shown = useRef(path);
  useEffect(() => {
    if (shown.current === path) return;
    shown.current = path;
    // A new page begins at its top for eyes and for screen readers alike, unless it chose its own place (a search box).
    const frame = requestAnimationFrame(() => {
      if (document.activeElement && document.activeElement !== document.body && document.activeElement.closest('main')) return;
      document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
    });
    return () => cancelAnimationFrame(frame);
  }, [path]);
  return (
    <>
      <a
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>('main')?.focus();
        }}
        className="fixed top-2 left-2 z-[70] -translate-y-20 rounded-md bg-accent px-4 py-3 text-sm font-medium text-accent-ink focus:translate-y-0"
      >
        <Trans>Skip to the content</Trans>
      </a>
      <Outlet />
      <MissingBanner />
      <Toaster label={t`Messages`} closeLabel={t`Close`} />
      <div role="status" className="sr-only">
        {title}
      </div>
    </>
  );
}

/** Comes with its words, and only when there is something to say. */
const Away = lazy(() => withWords('away', import('~/features/away/away')));

/** What is missing: the network, or a part of the cinema. */
function MissingBanner() {
  const online = useOnline();
  const away = useStore(standing, (s) => s.poor > 0 || s.keeping);
  return (
    <div role="status">
      {online ? (
        away && (
          <Suspense>
            <Away />
          </Suspense>
        )
      ) : (
        <div className="fixed inset-x-0 bottom-0 z-[55] flex items-center justify-center gap-2 border-t border-line bg-surface-2 px-4 py-3 text-sm">
          <Icon name="offline" size={18} className="text-warn" />
          <Trans>You are offline. What you see may be old; what you do is kept and sent later.</Trans>
        </div>
      )}
    </div>
  );
}

export const rootRoute = createRootRoute({
  component: Root,
  errorComponent: RouteError,
  notFoundComponent: NotFound,
});
