import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import { Icon } from './icon';

export interface Toast {
  id: number;
  message: ReactNode;
  tone: 'plain' | 'danger';
  /** Such as “Undo”; pressing it also closes the toast. */
  action?: { label: ReactNode; onPress: () => void };
  ms: number;
}

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]) {
  toasts = next;
  for (const listener of [...listeners]) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Says what happened, at most three at a time; returns the id for `dismissToast`. */
export function toast(message: ReactNode, options: Partial<Pick<Toast, 'tone' | 'action' | 'ms'>> = {}): number {
  const id = ++last;
  const ms = options.ms ?? (options.action ? 8_000 : 5_000);
  const next: Toast = { tone: 'plain', ...options, id, message, ms };
  set([...toasts, next].slice(-3));
  return id;
}

export function dismissToast(id: number) {
  set(toasts.filter((t) => t.id !== id));
}

/** Where toasts appear; one at the root. It is always there, so that screen readers notice what is put into it. */
export function Toaster({ closeLabel, label }: { closeLabel: string; label: string }) {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div
      role="region"
      aria-label={label}
      className="pointer-events-none fixed inset-x-0 bottom-0 z-[60] flex flex-col items-center gap-2 p-4 pb-[max(16px,env(safe-area-inset-bottom))]"
    >
      <div aria-live="polite" className="contents">
        {shown.map((t) => (
          <ToastView key={t.id} toast={t} closeLabel={closeLabel} />
        ))}
      </div>
    </div>
  );
}

function ToastView({ toast: t, closeLabel }: { toast: Toast; closeLabel: string }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => dismissToast(t.id), t.ms);
    return () => clearTimeout(timer);
  }, [held, t.id, t.ms]);
  return (
    <div
      className="pointer-events-auto flex min-h-12 w-full max-w-md animate-[rise-in_180ms_ease-out] items-center gap-2 rounded-md border border-line bg-surface-2 py-1 pr-1 pl-4 text-sm shadow-pop"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      {t.tone === 'danger' && <Icon name="alert" size={18} className="shrink-0 text-danger" />}
      <span className="min-w-0 flex-1 py-2">{t.message}</span>
      {t.action && (
        <button
          type="button"
          className="h-11 rounded-md px-3 font-medium text-accent-text hover:bg-surface-3"
          onClick={() => {
            t.action?.onPress();
            dismissToast(t.id);
          }}
        >
          {t.action.label}
        </button>
      )}
      <button
        type="button"
        aria-label={closeLabel}
        className="grid size-11 place-items-center rounded-md text-text-3 hover:bg-surface-3 hover:text-text-1"
        onClick={() => dismissToast(t.id)}
      >
        <Icon name="close" size={18} />
      </button>
    </div>
  );
}
