import type { ReactNode } from 'react';
import { cx } from './cx';
import { Icon, type IconName } from './icon';

interface Props {
  icon?: IconName;
  title: ReactNode;
  /** What to do about it. */
  children?: ReactNode;
  action?: ReactNode;
  className?: string;
  /** h1 where it is all that the page shows. */
  heading?: 'h1' | 'h2';
}

/** Nothing here, and what to do about it. */
export const EmptyState = ({ icon, title, children, action, className, heading: H = 'h2' }: Props) => (
  <div className={cx('flex flex-col items-start gap-3 py-10', className)}>
    {icon && <Icon name={icon} size={28} className="text-text-3" />}
    <H className="text-lg font-semibold">{title}</H>
    {children && <div className="max-w-prose text-sm text-text-2">{children}</div>}
    {action && <div className="mt-2 flex flex-wrap gap-3">{action}</div>}
  </div>
);

/** What happened, what was kept, and what to press; announced at once. */
export const ErrorState = ({ title, children, action, className, heading: H = 'h2' }: Props) => (
  <div role="alert" className={cx('flex flex-col items-start gap-3 py-10', className)}>
    <Icon name="alert" size={28} className="text-danger" />
    <H className="text-lg font-semibold">{title}</H>
    {children && <div className="max-w-prose text-sm text-text-2">{children}</div>}
    {action && <div className="mt-2 flex flex-wrap gap-3">{action}</div>}
  </div>
);
