import { useEffect, useRef, useState } from 'react';
import { cx } from '~/ui/cx';
import { Input } from '~/ui/field';
import { Icon } from '~/ui/icon';

/** A search box that tells what was typed once typing rests. */
export function SearchBox({ label, value, onChange, className }: { label: string; value: string; onChange: (value: string) => void; className?: string }) {
  const [typed, setTyped] = useState(value);
  const told = useRef(value);
  const tell = useRef(onChange);
  useEffect(() => {
    tell.current = onChange;
  });
  // The address changed by other means, such as going back.
  const [seen, setSeen] = useState(value);
  if (seen !== value) {
    setSeen(value);
    setTyped(value);
  }
  useEffect(() => {
    told.current = value;
  }, [value]);
  useEffect(() => {
    if (typed.trim() === told.current) return;
    const timer = setTimeout(() => tell.current(typed.trim()), 200);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <span className={cx('relative w-full sm:w-64', className)}>
      <Icon name="search" size={18} className="pointer-events-none absolute top-1/2 left-3 -translate-y-1/2 text-text-3" />
      <Input type="search" aria-label={label} placeholder={label} value={typed} onChange={(e) => setTyped(e.target.value)} className="pl-10 pointer-fine:h-10" />
    </span>
  );
}
