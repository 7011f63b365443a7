import { useLayoutEffect, useEffect, useRef, useState, type KeyboardEvent, type MouseEvent, type PointerEvent, type ReactNode } from 'react';
import { cx } from './cx';
import { Icon } from './icon';

/** Where each row was left, so that coming back finds it there. */
const places = new Map<string, { left: number; active: number }>();

interface Props<T> {
  /** Names the row across visits. */
  id: string;
  label: string;
  previousLabel: string;
  nextLabel: string;
  items: readonly T[];
  itemKey: (item: T) => string;
  itemClassName: string;
  /** Must put `tabIndex` on its one focusable `[data-item]`: a row is one stop for the Tab key. */
  render: (item: T, tabIndex: 0 | -1) => ReactNode;
}

/** A row that scrolls by wheel, touch, drag, arrows on the keyboard and arrows on its sides. */
export function Scroller<T>({ id, label, previousLabel, nextLabel, items, itemKey, itemClassName, render }: Props<T>) {
  const track = useRef<HTMLUListElement>(null);
  const [active, setActive] = useState(() => places.get(id)?.active ?? 0);
  const [room, setRoom] = useState({ before: false, after: false });
  const drag = useRef<{ x: number; left: number; moved: boolean } | null>(null);
  const current = Math.min(active, Math.max(0, items.length - 1));

  useLayoutEffect(() => {
    const el = track.current;
    if (el) el.scrollLeft = places.get(id)?.left ?? 0;
  }, [id]);

  useEffect(() => {
    const el = track.current;
    if (!el) return;
    const look = () => {
      const before = el.scrollLeft > 4;
      const after = el.scrollLeft + el.clientWidth < el.scrollWidth - 4;
      setRoom((now) => (now.before === before && now.after === after ? now : { before, after }));
    };
    const onScroll = () => {
      places.set(id, { left: el.scrollLeft, active: places.get(id)?.active ?? 0 });
      look();
    };
    look();
    el.addEventListener('scroll', onScroll, { passive: true });
    const observer = new ResizeObserver(look);
    observer.observe(el);
    return () => {
      el.removeEventListener('scroll', onScroll);
      observer.disconnect();
    };
  }, [id, items.length]);

  const page = (direction: 1 | -1) => {
    const el = track.current;
    if (!el) return;
    const smooth = !window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    el.scrollBy({ left: direction * el.clientWidth * 0.85, behavior: smooth ? 'smooth' : 'auto' });
  };

  const focus = (index: number) => {
    const next = Math.max(0, Math.min(items.length - 1, index));
    setActive(next);
    places.set(id, { left: track.current?.scrollLeft ?? 0, active: next });
    const item = track.current?.children[next]?.querySelector<HTMLElement>('[data-item]');
    item?.focus({ preventScroll: true });
    item?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (!(event.target as HTMLElement).matches('[data-item]')) return;
    const step = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: items.length - 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    focus(step);
  };

  const onPointerDown = (event: PointerEvent) => {
    if (event.pointerType !== 'mouse' || event.button !== 0 || !track.current) return;
    drag.current = { x: event.clientX, left: track.current.scrollLeft, moved: false };
  };
  const onPointerMove = (event: PointerEvent) => {
    const d = drag.current;
    if (!d || !track.current) return;
    if (event.buttons === 0) {
      drag.current = null;
      return;
    }
    const by = event.clientX - d.x;
    if (!d.moved && Math.abs(by) < 6) return;
    d.moved = true;
    track.current.setPointerCapture(event.pointerId);
    track.current.scrollLeft = d.left - by;
  };
  // A drag ends with a click on what is under the pointer, which nobody meant.
  const onClickCapture = (event: MouseEvent) => {
    if (drag.current?.moved) {
      event.preventDefault();
      event.stopPropagation();
    }
    drag.current = null;
  };

  const arrow =
    'absolute top-0 z-10 hidden h-[calc(100%-60px)] w-6 place-items-center rounded-sm bg-surface-0/85 text-text-2 opacity-0 transition-opacity group-hover/row:opacity-100 hover:text-text-1 focus-visible:opacity-100 pointer-fine:grid md:w-6 xl:w-12';

  return (
    <div className="group/row relative">
      {/* The keys only move between the links inside, which are what can be pressed. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <ul
        ref={track}
        aria-label={label}
        onKeyDown={onKeyDown}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onClickCapture={onClickCapture}
        className="gutter -my-2 flex gap-3 overflow-x-auto overscroll-x-contain scroll-px-4 py-2 [scrollbar-width:none] sm:gap-4 md:scroll-px-6 xl:scroll-px-12"
      >
        {items.map((item, index) => (
          <li key={itemKey(item)} className={cx('shrink-0', itemClassName)} onFocus={() => setActive(index)}>
            {render(item, index === current ? 0 : -1)}
          </li>
        ))}
      </ul>
      {room.before && (
        <button type="button" tabIndex={-1} aria-label={previousLabel} onClick={() => page(-1)} className={cx(arrow, 'left-0')}>
          <Icon name="left" size={24} />
        </button>
      )}
      {room.after && (
        <button type="button" tabIndex={-1} aria-label={nextLabel} onClick={() => page(1)} className={cx(arrow, 'right-0')}>
          <Icon name="right" size={24} />
        </button>
      )}
    </div>
  );
}
