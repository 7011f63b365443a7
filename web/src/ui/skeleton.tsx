import { cx } from './cx';

/** A piece of what comes, in its shape. Give it size by `className`; screen readers hear nothing of it. */
export const Skeleton = ({ className }: { className?: string }) => (
  <div aria-hidden className={cx('animate-[breathe_1.6s_ease-in-out_infinite] rounded-md bg-surface-2', className)} />
);
