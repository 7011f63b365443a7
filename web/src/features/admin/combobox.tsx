import { useId, useState, type KeyboardEvent, type ReactNode } from 'react';
import { cx } from '~/ui/cx';
import { Input } from '~/ui/field';
import { Icon } from '~/ui/icon';

export interface Choice {
  id: string;
  label: string;
  hint?: ReactNode;
}

interface Props {
  label: string;
  placeholder?: string;
  /** What fits the typed text; the caller filters. */
  choices: readonly Choice[];
  text: string;
  onText: (text: string) => void;
  onPick: (choice: Choice) => void;
  /** Offers to make what was typed. */
  create?: { label: ReactNode; onCreate: () => void };
  loading?: boolean;
  /** Said when nothing fits and nothing can be made. */
  nothing: ReactNode;
  className?: string;
}

/** A box that narrows a list as one types: the combobox of ARIA 1.2 with a list below. */
export function Combobox({ label, placeholder, choices, text, onText, onPick, create, loading, nothing, className }: Props) {
  const id = useId();
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const count = choices.length + (create ? 1 : 0);
  const active = Math.min(at, Math.max(0, count - 1));

  const take = (index: number) => {
    const choice = choices[index];
    if (choice) onPick(choice);
    else create?.onCreate();
    onText('');
    setAt(0);
    setOpen(false);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (!open) setOpen(true);
      else if (count > 0) setAt((active + (event.key === 'ArrowDown' ? 1 : count - 1)) % count);
    } else if (event.key === 'Enter' && open) {
      event.preventDefault();
      if (count > 0 && !(loading && choices.length === 0 && !create)) take(active);
    } else if (event.key === 'Escape' && open) {
      event.stopPropagation();
      setOpen(false);
    }
  };
  const option = (index: number) => ({
    id: `${id}-${index}`,
    role: 'option',
    'aria-selected': index === active,
    // The box keeps the focus; the pointer only picks.
    onPointerDown: (event: React.PointerEvent) => event.preventDefault(),
    onPointerMove: () => setAt(index),
    onClick: () => take(index),
    className: cx('flex min-h-11 cursor-pointer items-center gap-3 rounded-sm px-3 text-sm pointer-fine:min-h-9', index === active && 'bg-surface-2'),
  });

  return (
    <div className={cx('relative', className)}>
      <Input
        role="combobox"
        aria-label={label}
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={open && count > 0 ? `${id}-${active}` : undefined}
        autoComplete="off"
        placeholder={placeholder}
        value={text}
        onChange={(event) => {
          onText(event.target.value);
          setAt(0);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onClick={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
        className="pr-9 pointer-fine:h-10"
      />
      <Icon name="down" size={16} className="pointer-events-none absolute top-1/2 right-3 -translate-y-1/2 text-text-3" />
      <ul
        id={`${id}-list`}
        role="listbox"
        aria-label={label}
        hidden={!open}
        className="absolute inset-x-0 top-full z-40 mt-1 max-h-72 min-w-56 overflow-y-auto rounded-md border border-line bg-surface-1 p-1 shadow-pop"
      >
        {choices.map((choice, index) => (
          <li key={choice.id} {...option(index)}>
            <span className="min-w-0 flex-1 truncate">{choice.label}</span>
            {choice.hint && <span className="text-xs text-text-3 tabular">{choice.hint}</span>}
          </li>
        ))}
        {create && (
          <li {...option(choices.length)}>
            <Icon name="plus" size={16} className="text-accent-text" />
            <span className="min-w-0 flex-1 truncate">{create.label}</span>
          </li>
        )}
        {count === 0 && (
          <li role="option" aria-disabled aria-selected={false} className="px-3 py-2 text-sm text-text-3">
            {loading ? '…' : nothing}
          </li>
        )}
      </ul>
    </div>
  );
}

/** What was picked, each with the way to drop it. */
export const Picked = ({ items, onRemove, removeLabel }: { items: readonly Choice[]; onRemove: (id: string) => void; removeLabel: (label: string) => string }) =>
  items.length > 0 && (
    <ul className="mb-2 flex flex-wrap gap-1.5">
      {items.map((item) => (
        <li key={item.id} className="inline-flex items-center rounded-full bg-surface-2 pl-3 text-sm">
          {item.label}
          <button
            type="button"
            aria-label={removeLabel(item.label)}
            title={removeLabel(item.label)}
            onClick={() => onRemove(item.id)}
            className="grid size-11 place-items-center rounded-full text-text-3 hover:text-text-1 pointer-fine:size-8"
          >
            <Icon name="close" size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
