import '~/ui/tokens.css';
import { I18nProvider } from '@lingui/react';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { startEvents } from '~/lib/events/record';
import { activate, i18n, pickLocale } from '~/lib/i18n';
import { sessionStore, settled, startSession } from '~/lib/session';
import { startTheme } from '~/lib/theme';
import { router } from './router';

// A program of another version has other chunks: the page is loaded anew, once a minute at most.
window.addEventListener('vite:preloadError', (event) => {
  const key = 'cinema.reloaded';
  const last = Number(sessionStorage.getItem(key) ?? 0);
  if (Date.now() - last < 60_000) return;
  event.preventDefault();
  sessionStorage.setItem(key, String(Date.now()));
  location.reload();
});

startTheme();
startSession();
startEvents();

let before = sessionStore.get();
sessionStore.subscribe(() => {
  const now = sessionStore.get();
  const was = before;
  before = now;
  if (now.status === 'in') {
    const locale = pickLocale(now.profile.locale);
    if (locale !== i18n.locale && i18n.locale) void activate(locale);
  }
  // Signed out here or in another tab: every guard is asked again.
  if (was.status === 'in' && now.status === 'out') void router.invalidate();
});

// The session decides the language; without an answer the page still comes, in the browser's language.
const session = await settled().catch(() => undefined);
await activate(pickLocale(session?.status === 'in' ? session.profile.locale : null));

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <I18nProvider i18n={i18n}>
      <RouterProvider router={router} />
    </I18nProvider>
  </StrictMode>,
);
