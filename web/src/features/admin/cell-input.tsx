import { useState } from 'react';
import { cx } from '~/ui/cx';

interface Props {
  label: string;
  value: string;
  lang?: string;
  disabled?: boolean;
  /** Resolves to whether it was saved; what was not goes back to what it was. */
  onSave: (value: string) => Promise<boolean>;
}

/** A cell that is edited where it stands: Enter or leaving it saves, Escape goes back. */
export function CellInput({ label, value, lang, disabled, onSave }: Props) {
  const [typed, setTyped] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const save = async () => {
    if (typed === null || busy) return;
    const next = typed.trim();
    if (next === value) return setTyped(null);
    setBusy(true);
    await onSave(next);
    setBusy(false);
    setTyped(null);
  };
  return (
    <input
      aria-label={label}
      lang={lang}
      value={typed ?? value}
      disabled={disabled}
      aria-busy={busy || undefined}
      maxLength={300}
      placeholder="—"
      onChange={(event) => setTyped(event.target.value)}
      onBlur={() => void save()}
      onKeyDown={(event) => {
        if (event.key === 'Enter') event.currentTarget.blur();
        if (event.key === 'Escape') setTyped(null);
      }}
      className={cx(
        'h-11 w-full min-w-28 rounded-md border border-transparent bg-transparent px-2 text-base placeholder:text-text-3 md:text-sm pointer-fine:h-9',
        disabled ? 'text-text-1' : 'hover:border-line-strong focus:border-line-strong focus:bg-surface-1',
        busy && 'opacity-60',
      )}
    />
  );
}
