import { cx } from '~/ui/cx';

/** How much is done, 0 to 1. */
export const Bar = ({ value, label, className, quiet }: { value: number; label: string; className?: string; quiet?: boolean }) => (
  <div
    role="progressbar"
    aria-label={label}
    aria-valuemin={0}
    aria-valuemax={100}
    aria-valuenow={Math.round(value * 100)}
    className={cx('h-1.5 overflow-hidden rounded-full bg-surface-3', className)}
  >
    <div className={cx('h-full rounded-full transition-[width]', quiet ? 'bg-text-3' : 'bg-accent')} style={{ width: `${Math.max(0, Math.min(100, value * 100))}%` }} />
  </div>
);
