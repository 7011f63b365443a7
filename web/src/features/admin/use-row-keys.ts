import { useEffect, useRef, useState, type KeyboardEvent } from 'react';

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) && (target as HTMLInputElement).type !== 'checkbox';

interface Options {
  count: number;
  onOpen: (index: number) => void;
  onToggle?: (index: number) => void;
}

/** Rows by key: j and k or the arrows move, x picks, Enter opens. One stop for the Tab key. */
export function useRowKeys({ count, onOpen, onToggle }: Options) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [chosen, setActive] = useState(0);
  const active = Math.min(chosen, Math.max(0, count - 1));

  const focus = (index: number) => {
    const next = Math.max(0, Math.min(count - 1, index));
    setActive(next);
    const row = body.current?.rows[next];
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: 'nearest' });
  };

  // j and k reach the table from anywhere on the page that takes no text.
  const step = useRef(focus);
  useEffect(() => {
    step.current = focus;
  });
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if ((event.key !== 'j' && event.key !== 'k') || document.querySelector('[role=dialog]')) return;
      if (body.current?.contains(event.target as Node)) return;
      event.preventDefault();
      step.current(active);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [active]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const onRow = event.target instanceof HTMLTableRowElement;
    switch (event.key) {
      case 'j':
      case 'ArrowDown':
        event.preventDefault();
        return focus(active + 1);
      case 'k':
      case 'ArrowUp':
        event.preventDefault();
        return focus(active - 1);
      case 'x':
        if (!onToggle) return;
        event.preventDefault();
        return onToggle(active);
      case 'Enter':
        if (!onRow) return;
        event.preventDefault();
        return onOpen(active);
    }
  };

  return {
    body: { ref: body, onKeyDown },
    row: (index: number) => ({ tabIndex: index === active ? 0 : -1, onFocus: () => setActive(index) }),
  };
}
