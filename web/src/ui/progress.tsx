/** How far something was watched, as a line. */
export const WatchBar = ({ fraction, label }: { fraction: number; label: string }) => (
  <div role="img" aria-label={label} className="h-1 overflow-hidden rounded-full bg-white/30">
    <div className="h-full bg-accent" style={{ width: `${Math.max(2, Math.min(100, fraction * 100))}%` }} />
  </div>
);
