import type { ReactNode } from 'react';
import { cx } from './cx';
import { Icon } from './icon';

export type ChipTone = 'plain' | 'ok' | 'warn' | 'danger' | 'accent';

const tones: Record<ChipTone, string> = {
  plain: 'text-text-2 before:bg-text-3',
  ok: 'text-ok before:bg-ok',
  warn: 'text-warn before:bg-warn',
  danger: 'text-danger before:bg-danger',
  accent: 'text-accent-text before:bg-accent',
};

/** A state in a word; the dot repeats it in colour, the word carries it. */
export const Chip = ({ tone = 'plain', children }: { tone?: ChipTone; children: ReactNode }) => (
  <span
    className={cx(
      'inline-flex h-6 items-center gap-1.5 whitespace-nowrap rounded-full bg-surface-2 px-2.5 text-xs font-medium before:size-1.5 before:rounded-full',
      tones[tone],
    )}
  >
    {children}
  </span>
);

interface ToggleChipProps {
  pressed: boolean;
  onPress: () => void;
  children: ReactNode;
  count?: number;
}

/** A filter that is on or off, with how much it would leave. */
export const ToggleChip = ({ pressed, onPress, children, count }: ToggleChipProps) => (
  <button
    type="button"
    aria-pressed={pressed}
    onClick={onPress}
    className={cx(
      'inline-flex h-11 items-center gap-2 whitespace-nowrap rounded-full border px-4 text-sm transition-colors pointer-fine:h-9 pointer-fine:px-3.5',
      pressed ? 'border-accent bg-accent text-accent-ink' : 'border-line-strong text-text-1 hover:bg-surface-2',
    )}
  >
    {pressed && <Icon name="check" size={16} className="-ml-1" />}
    {children}
    {count !== undefined && <span className={cx('tabular text-xs', pressed ? 'opacity-80' : 'text-text-3')}>{count}</span>}
  </button>
);

/** A filter that is in force, with the way to drop it. */
export const RemovableChip = ({ onRemove, removeLabel, children }: { onRemove: () => void; removeLabel: string; children: ReactNode }) => (
  <button
    type="button"
    onClick={onRemove}
    aria-label={removeLabel}
    className="inline-flex h-11 items-center gap-2 whitespace-nowrap rounded-full bg-surface-2 pr-3 pl-4 text-sm text-text-1 transition-colors hover:bg-surface-3 pointer-fine:h-9"
  >
    {children}
    <Icon name="close" size={16} className="text-text-3" />
  </button>
);
