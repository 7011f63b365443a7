import { cx } from './cx';

/** The house with a projector's light in it, and the name. */
export const Brand = ({ className, small }: { className?: string; small?: boolean }) => (
  <span className={cx('inline-flex items-center gap-2 font-semibold tracking-tight', className)}>
    <svg viewBox="0 0 32 32" width={28} height={28} aria-hidden className="shrink-0 text-accent">
      <path d="M6 25V14.500L16 6l10 8.500V25z" fill="none" stroke="currentColor" strokeWidth={2.4} strokeLinejoin="round" />
      <path d="M13.200 14.600v7.200l6.200-3.600z" fill="currentColor" />
    </svg>
    <span className={cx(small && 'sr-only sm:not-sr-only')}>NetflixAtHome</span>
  </span>
);
