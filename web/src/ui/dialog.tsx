import { Dialog as Radix } from 'radix-ui';
import type { ReactNode } from 'react';
import { cx } from './cx';
import { Icon } from './icon';

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  description?: ReactNode;
  /** Words of the closing button, for screen readers. */
  closeLabel: string;
  children: ReactNode;
  /** Buttons at the end. */
  footer?: ReactNode;
  wide?: boolean;
}

/** A dialog in the middle, at the bottom of a phone. Focus is held inside and given back. */
export function Dialog({ open, onOpenChange, title, description, closeLabel, children, footer, wide }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-50 animate-[fade-in_150ms_ease-out] bg-scrim" />
        <Radix.Content
          {...(description ? {} : { 'aria-describedby': undefined })}
          className={cx(
            'fixed z-50 flex max-h-[90dvh] flex-col overflow-hidden border border-line bg-surface-1 shadow-pop',
            'inset-x-0 bottom-0 animate-[rise-in_180ms_ease-out] rounded-t-lg',
            'sm:inset-x-auto sm:top-1/2 sm:bottom-auto sm:left-1/2 sm:w-[calc(100%-48px)] sm:-translate-x-1/2 sm:-translate-y-1/2 sm:animate-[fade-in_150ms_ease-out] sm:rounded-lg',
            wide ? 'sm:max-w-3xl' : 'sm:max-w-md',
          )}
        >
          <div className="flex items-start gap-4 p-6 pb-2">
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
              {description && <Radix.Description className="mt-1 text-sm text-text-2">{description}</Radix.Description>}
            </div>
            <Radix.Close aria-label={closeLabel} className="-m-2 grid size-11 place-items-center rounded-md text-text-2 hover:bg-surface-2 hover:text-text-1">
              <Icon name="close" />
            </Radix.Close>
          </div>
          <div className="min-h-0 overflow-y-auto px-6 py-4">{children}</div>
          {footer && <div className="flex flex-wrap justify-end gap-3 border-t border-line p-4 px-6">{footer}</div>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
