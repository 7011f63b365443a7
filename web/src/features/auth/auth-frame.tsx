import type { ReactNode } from 'react';
import { useLingui } from '@lingui/react/macro';
import { activate, keepLocale, localeStore, type Locale } from '~/lib/i18n';
import { useStore } from '~/lib/store';
import { Brand } from '~/ui/brand';

/** The hall before the film: a form, and nothing that competes with it. */
export function AuthFrame({ title, children, footer }: { title: ReactNode; children: ReactNode; footer: ReactNode }) {
  const { t } = useLingui();
  const locale = useStore(localeStore);
  const choose = (next: Locale) => {
    keepLocale(next);
    void activate(next);
  };
  return (
    <div className="flex min-h-dvh flex-col">
      <header className="gutter flex h-16 items-center justify-between">
        <Brand />
        <div role="group" aria-label={t`Language`} className="flex">
          {(['ru', 'en'] as const).map((l) => (
            <button
              key={l}
              type="button"
              lang={l}
              aria-pressed={l === locale}
              aria-label={l === 'ru' ? 'Русский' : 'English'}
              onClick={() => choose(l)}
              className="h-11 rounded-md px-3 text-sm text-text-3 hover:text-text-1 aria-pressed:text-text-1"
            >
              {l === 'ru' ? 'РУ' : 'EN'}
            </button>
          ))}
        </div>
      </header>
      <main tabIndex={-1} className="gutter flex flex-1 items-center justify-center pb-24">
        <div className="w-full max-w-96">
          <h1 className="mb-8 text-xl font-semibold tracking-tight">{title}</h1>
          {children}
          <p className="mt-8 text-sm text-text-2">{footer}</p>
        </div>
      </main>
    </div>
  );
}
