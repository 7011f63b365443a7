import { Trans, useLingui } from '@lingui/react/macro';
import type { ReactNode } from 'react';
import { useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { Button } from '~/ui/button';
import { cx } from '~/ui/cx';
import { Skeleton } from '~/ui/skeleton';
import { ErrorState } from '~/ui/states';

interface Props {
  title: string;
  /** Beside the title: what can be begun here. */
  actions?: ReactNode;
  note?: ReactNode;
  /** Keeps the title and what can be done in sight on a long page. */
  sticky?: boolean;
  children: ReactNode;
}

/** A page of the panel: its name, what can be begun, what is there. */
export function Page({ title, actions, note, sticky, children }: Props) {
  const { t } = useLingui();
  usePageTitle(t`${title} · Manage`);
  return (
    <main id="main" tabIndex={-1} className="mx-auto w-full max-w-[1600px] min-w-0 px-4 py-5 md:px-6 lg:px-8">
      <div className={cx('mb-4 flex flex-wrap items-center gap-x-4 gap-y-2', sticky && 'lg:sticky lg:top-0 lg:z-20 lg:-mx-8 lg:-mt-5 lg:bg-surface-0 lg:px-8 lg:py-4')}>
        <h1 className="text-lg font-semibold tracking-tight">{title}</h1>
        {note && <span className="text-sm text-text-3 tabular">{note}</span>}
        {actions && <div className="ml-auto flex flex-wrap gap-2">{actions}</div>}
      </div>
      {children}
    </main>
  );
}

/** What could not be loaded, why, and the way to ask again. */
export function LoadError({ what, error, again }: { what: ReactNode; error: unknown; again: () => void }) {
  const words = useFaultText();
  return (
    <ErrorState
      title={what}
      className="py-6"
      action={
        <Button variant="primary" onClick={again}>
          <Trans>Try again</Trans>
        </Button>
      }
    >
      {words(error)}
    </ErrorState>
  );
}

/** A table that comes: rows in its shape. */
export const RowsSkeleton = ({ rows = 8 }: { rows?: number }) => (
  <div aria-hidden className="overflow-hidden rounded-md border border-line">
    <div className="h-10 border-b border-line bg-surface-1" />
    {Array.from({ length: rows }, (_, i) => (
      <div key={i} className="flex h-14 items-center gap-4 border-b border-line px-3 last:border-b-0">
        <Skeleton className="h-10 w-7 shrink-0 rounded-sm" />
        <Skeleton className="h-4 w-2/5" />
        <Skeleton className="ml-auto h-4 w-1/5" />
      </div>
    ))}
  </div>
);
