import { useLingui } from '@lingui/react/macro';
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { clock } from '~/lib/format';
import { useStore } from '~/lib/store';
import { parseThumbnails, thumbnailAt, type Thumbnail } from '~/lib/vtt';
import type { Player } from './player';

function useThumbnails(url: string | null | undefined): readonly Thumbnail[] {
  const [list, setList] = useState<readonly Thumbnail[]>([]);
  useEffect(() => {
    if (!url) return;
    const stop = new AbortController();
    fetch(url, { signal: stop.signal })
      .then(async (response) => {
        if (response.ok) setList(parseThumbnails(await response.text(), new URL(url, location.href).href));
      })
      .catch(() => undefined); // Without them the bar still says the time.
    return () => stop.abort();
  }, [url]);
  return list;
}

/** Where the film stands, with a picture of where a press would lead. */
export function SeekBar({ player, thumbnailsUrl }: { player: Player; thumbnailsUrl: string | null | undefined }) {
  const { t } = useLingui();
  const positionMs = useStore(player.store, (s) => s.positionMs);
  const durationMs = useStore(player.store, (s) => s.durationMs);
  const buffered = useStore(player.store, (s) => s.buffered);
  const bar = useRef<HTMLDivElement>(null);
  const [over, setOver] = useState<number | null>(null);
  const [held, setHeld] = useState<number | null>(null);
  const pictures = useThumbnails(thumbnailsUrl);

  const at = (event: PointerEvent) => {
    const box = bar.current!.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * durationMs;
  };
  const percent = (ms: number) => `${Math.max(0, Math.min(100, (100 * ms) / Math.max(1, durationMs)))}%`;
  const shown = held ?? positionMs;
  const hover = held ?? over;
  const picture = hover === null ? null : thumbnailAt(pictures, hover);

  const onKeyDown = (event: KeyboardEvent) => {
    const to = {
      ArrowRight: positionMs + 5_000,
      ArrowLeft: positionMs - 5_000,
      ArrowUp: positionMs + 5_000,
      ArrowDown: positionMs - 5_000,
      PageUp: positionMs + 60_000,
      PageDown: positionMs - 60_000,
      Home: 0,
      End: durationMs,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    player.seek(to);
  };

  return (
    <div
      ref={bar}
      role="slider"
      tabIndex={0}
      aria-label={t`Place in the film`}
      aria-valuemin={0}
      aria-valuemax={Math.round(durationMs / 1000)}
      aria-valuenow={Math.round(shown / 1000)}
      aria-valuetext={t`${clock(shown)} of ${clock(durationMs)}`}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setHeld(at(event));
      }}
      onPointerMove={(event) => {
        if (held !== null) setHeld(at(event));
        else if (event.pointerType === 'mouse') setOver(at(event));
      }}
      onPointerUp={(event) => {
        if (held === null) return;
        player.seek(at(event));
        setHeld(null);
      }}
      onPointerCancel={() => setHeld(null)}
      onPointerLeave={() => setOver(null)}
      className="group/seek relative flex h-11 cursor-pointer touch-none items-center rounded-sm pointer-fine:h-6"
    >
      <div className="relative h-1 w-full overflow-hidden rounded-full bg-white/25 transition-[height] group-hover/seek:h-1.5">
        {buffered.map((range) => (
          <div
            key={range.fromMs}
            className="absolute inset-y-0 bg-white/30"
            style={{ left: percent(range.fromMs), width: percent(range.toMs - range.fromMs) }}
          />
        ))}
        <div className="absolute inset-y-0 left-0 bg-accent" style={{ width: percent(shown) }} />
      </div>
      <div
        aria-hidden
        className="absolute size-3.5 -translate-x-1/2 scale-0 rounded-full bg-accent transition-transform group-hover/seek:scale-100 group-focus-visible/seek:scale-100 pointer-coarse:scale-100"
        style={{ left: percent(shown) }}
      />
      {hover !== null && (
        <div
          aria-hidden
          className="pointer-events-none absolute bottom-full mb-2 flex -translate-x-1/2 flex-col items-center gap-1.5"
          style={{ left: `clamp(${(picture?.width ?? 60) / 2}px, ${percent(hover)}, calc(100% - ${(picture?.width ?? 60) / 2}px))` }}
        >
          {picture && (
            <div
              className="overflow-hidden rounded-sm border border-white/30 bg-black"
              style={{
                width: picture.width,
                height: picture.height,
                backgroundImage: `url("${picture.url}")`,
                backgroundPosition: `-${picture.x}px -${picture.y}px`,
              }}
            />
          )}
          <span className="tabular rounded-sm bg-black/80 px-2 py-0.5 text-sm text-white">{clock(hover)}</span>
        </div>
      )}
    </div>
  );
}
