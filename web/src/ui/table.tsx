import type { HTMLAttributes, ReactNode, TdHTMLAttributes, ThHTMLAttributes } from 'react';
import { cx } from './cx';
import { Icon } from './icon';
import { icons } from './more-icons';

/** A dense table with a sticky head in a scrolling frame. Rows are made by the caller. */
export const Table = ({ label, className, children }: { label: string; className?: string; children: ReactNode }) => (
  // A region that scrolls must be reachable by key.
  // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
  <div role="region" aria-label={label} tabIndex={0} className={cx('overflow-auto rounded-md border border-line', className)}>
    <table className="w-full border-separate border-spacing-0 text-sm tabular">{children}</table>
  </div>
);

interface ThProps extends ThHTMLAttributes<HTMLTableCellElement> {
  /** Sorting by this column; absent when it cannot be sorted. */
  sort?: 'asc' | 'desc' | 'none';
  onSort?: () => void;
}

export const Th = ({ sort, onSort, className, children, ...rest }: ThProps) => (
  <th
    scope="col"
    aria-sort={sort === 'asc' ? 'ascending' : sort === 'desc' ? 'descending' : undefined}
    className={cx('sticky top-0 z-10 h-10 border-b border-line bg-surface-1 px-3 text-left text-xs font-medium whitespace-nowrap text-text-3', className)}
    {...rest}
  >
    {sort ? (
      <button type="button" onClick={onSort} className="-mx-1 inline-flex h-9 items-center gap-1 rounded-sm px-1 hover:text-text-1">
        {children}
        <Icon name={sort === 'asc' ? icons.up : sort === 'desc' ? 'down' : icons.sort} size={14} className={sort === 'none' ? 'opacity-50' : 'text-accent-text'} />
      </button>
    ) : (
      children
    )}
  </th>
);

export const Tr = ({ className, ...rest }: HTMLAttributes<HTMLTableRowElement>) => (
  <tr className={cx('group hover:bg-surface-1 aria-selected:bg-surface-2', className)} {...rest} />
);

export const Td = ({ className, ...rest }: TdHTMLAttributes<HTMLTableCellElement>) => (
  <td className={cx('h-11 border-b border-line px-3 group-last:border-b-0', className)} {...rest} />
);
