import { Trans, useLingui } from '@lingui/react/macro';
import { useCallback, useEffect, useMemo, useRef, useState, type PointerEvent, type ReactNode } from 'react';
import { clock } from '~/lib/format';
import { useStore } from '~/lib/store';
import { cx } from '~/ui/cx';
import { Icon } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { Controls } from './controls';
import { createEngine } from './engine';
import { usePlayerKeys } from './keys';
import { KeysDialog } from './keys-dialog';
import { Player, type PlaybackEvent } from './player';
import { Subtitles } from './subtitles';
import { TroubleView } from './trouble';

export interface Source {
  url: string;
  durationMs: number;
  thumbnailsUrl?: string | null;
  subtitles: readonly { label: string; locale?: string | null; url: string }[];
}

interface Props {
  source: Source;
  startMs: number;
  /** Place by the server, once it is known; it corrects `startMs` unless the viewer did something first. */
  resumeMs: number | null;
  title: string;
  subtitle?: string;
  posterUrl?: string;
  emit: (event: PlaybackEvent) => void;
  renewUrl: () => Promise<string | null>;
  onLeave: () => void;
  next: { label: string; onPress: () => void } | null;
  /** Shown over the picture at the end. */
  ending: (player: Player) => ReactNode;
}

/** Controls fade this long after the last move. */
const idleMs = 3_000;
/** How long “from the start” is offered after a resume. */
const offerMs = 10_000;
/** A difference below this is the same place. */
const samePlaceMs = 5_000;

const subtitleKey = 'cinema.player.subtitle';

const kept = () => {
  try {
    return localStorage.getItem(subtitleKey);
  } catch {
    return null;
  }
};

/** The whole window: picture, subtitles, controls, trouble and keys. */
export function PlayerView(props: Props) {
  const { t } = useLingui();
  const { source, title, subtitle, posterUrl, onLeave, next } = props;
  const video = useRef<HTMLVideoElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const [player, setPlayer] = useState<Player | null>(null);
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });

  // The player lives as long as this view: a new address for the same film goes to it, not to a new one.
  useEffect(() => {
    const first = latest.current;
    const made = new Player({
      video: video.current!,
      createEngine,
      durationMs: first.source.durationMs,
      emit: (event) => latest.current.emit(event),
      renewUrl: () => latest.current.renewUrl(),
    });
    setPlayer(made);
    void made.start(first.source.url, first.startMs);
    const closing = () => made.end('closed');
    window.addEventListener('pagehide', closing);
    return () => {
      window.removeEventListener('pagehide', closing);
      made.destroy();
    };
  }, []);

  const { resumeMs, startMs } = props;
  useEffect(() => {
    if (player && resumeMs !== null && !player.touched && Math.abs(resumeMs - startMs) > samePlaceMs) player.seek(resumeMs, false);
  }, [player, resumeMs, startMs]);

  const [subtitleIndex, chooseSubtitle] = useSubtitles(player, source.subtitles);

  const [awake, setAwake] = useState(true);
  const movedAt = useRef(0);
  const wake = useCallback(() => {
    movedAt.current = performance.now();
    setAwake(true);
  }, []);
  useEffect(() => {
    movedAt.current = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - movedAt.current < idleMs) return;
      // An open menu and a control that the keyboard is on keep the controls.
      const open = document.querySelector('[data-player-menu][data-state=open],[role=dialog]');
      const focused = document.activeElement?.matches('[data-controls] :focus-visible');
      if (!open && !focused) setAwake(false);
    }, 500);
    return () => clearInterval(timer);
  }, []);

  const [fullscreen, setFullscreen] = useState(false);
  useEffect(() => {
    const note = () => setFullscreen(!!document.fullscreenElement);
    document.addEventListener('fullscreenchange', note);
    return () => {
      document.removeEventListener('fullscreenchange', note);
      if (document.fullscreenElement) void document.exitFullscreen();
    };
  }, []);
  // The document rather than the player: menus live at its end and would be hidden otherwise.
  const toggleFullscreen = useCallback(() => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (document.fullscreenEnabled) void document.documentElement.requestFullscreen();
    else (video.current as { webkitEnterFullscreen?: () => void } | null)?.webkitEnterFullscreen?.(); // iPhones
  }, []);
  const canPip = typeof document !== 'undefined' && document.pictureInPictureEnabled;
  const togglePip = () => {
    if (document.pictureInPictureElement) void document.exitPictureInPicture();
    else video.current?.requestPictureInPicture().catch(() => undefined);
  };

  const [keys, setKeys] = useState(false);
  const targets = useMemo(
    () => ({
      toggleFullscreen,
      cycleSubtitles: () => chooseSubtitle((now) => (now + 2) % (source.subtitles.length + 1) - 1),
      showKeys: () => setKeys(true),
      leave: onLeave,
      wake,
    }),
    [toggleFullscreen, chooseSubtitle, source.subtitles.length, onLeave, wake],
  );
  usePlayerKeys(player, targets);

  const touch = useTouch(player, wake, () => setAwake(false), awake);
  return (
    <div
      ref={frame}
      data-player
      data-theme="dark"
      onPointerMove={(event) => event.pointerType === 'mouse' && wake()}
      className={cx('fixed inset-0 overflow-hidden bg-black text-white', !awake && 'cursor-none')}
    >
      {/* Presses on the picture repeat what the buttons and keys do. */}
      <video
        ref={video}
        playsInline
        poster={posterUrl}
        className="absolute inset-0 size-full object-contain"
        onClick={touch.onClick}
        onDoubleClick={touch.onDoubleClick}
        onPointerUp={touch.onPointerUp}
      >
        {source.subtitles.map((track) => (
          <track key={track.url} kind="subtitles" src={track.url} srcLang={track.locale ?? undefined} label={track.label} />
        ))}
      </video>
      <Subtitles video={video} chosen={subtitleIndex} raised={awake} />
      {player && (
        <Overlay player={player} awake={awake}>
          <div
            data-controls
            className={cx(
              'absolute inset-x-0 top-0 flex items-center gap-3 bg-[linear-gradient(to_bottom,rgb(0_0_0/0.7),transparent)] p-3 pb-12 transition-opacity sm:p-5 sm:pb-14',
            )}
          >
            <button
              type="button"
              aria-label={t`Back to the title`}
              onClick={onLeave}
              className="grid size-11 shrink-0 place-items-center rounded-md text-white hover:bg-white/15"
            >
              <Icon name={icons.back} size={24} />
            </button>
            <div className="min-w-0">
              <h1 className="truncate text-base font-semibold sm:text-lg">{title}</h1>
              {subtitle && <p className="truncate text-sm text-white/75">{subtitle}</p>}
            </div>
          </div>
          <div
            data-controls
            className="absolute inset-x-0 bottom-0 bg-[linear-gradient(to_top,rgb(0_0_0/0.8),transparent)] px-3 pt-16 pb-[max(8px,env(safe-area-inset-bottom))] sm:px-6 sm:pb-4"
          >
            <Controls
              player={player}
              subtitles={source.subtitles.map((s) => ({ label: s.label, locale: s.locale ?? '' }))}
              thumbnailsUrl={source.thumbnailsUrl}
              fullscreen={fullscreen}
              onFullscreen={toggleFullscreen}
              onPip={canPip ? togglePip : null}
              onSubtitle={chooseSubtitle}
              onKeys={() => setKeys(true)}
              next={next}
            />
          </div>
        </Overlay>
      )}
      {player && <Spinner player={player} />}
      {player && <ResumeOffer player={player} atMs={resumeMs ?? startMs} raised={awake} />}
      {player && <TroubleView player={player} onLeave={onLeave} />}
      {player && <Announcer player={player} />}
      {player && props.ending(player)}
      <KeysDialog open={keys} onOpenChange={setKeys} />
    </div>
  );
}

/** Controls: faded and out of reach while the film runs and nobody moves; always there when it stands. */
function Overlay({ player, awake, children }: { player: Player; awake: boolean; children: ReactNode }) {
  const status = useStore(player.store, (s) => s.status);
  const shown = awake || status === 'paused' || status === 'ended';
  return (
    <div className={cx('transition-opacity duration-200', shown ? 'opacity-100' : 'pointer-events-none opacity-0 focus-within:opacity-100')}>
      {children}
    </div>
  );
}

function Spinner({ player }: { player: Player }) {
  const stalled = useStore(player.store, (s) => s.stalled && !s.blocked && !s.trouble && s.status !== 'ended');
  if (!stalled) return null;
  return (
    <div aria-hidden className="pointer-events-none absolute inset-0 grid animate-[fade-in_200ms_ease-out_400ms_both] place-items-center">
      <div className="size-12 animate-spin rounded-full border-[3px] border-white/25 border-t-white motion-reduce:animate-none" />
    </div>
  );
}

/** A resume asks nothing; it says so for a while and offers the start. */
function ResumeOffer({ player, atMs, raised }: { player: Player; atMs: number; raised: boolean }) {
  const begun = useStore(player.store, (s) => s.status === 'playing' || s.status === 'paused');
  const [over, setOver] = useState(false);
  useEffect(() => {
    if (!begun) return;
    const timer = setTimeout(() => setOver(true), offerMs);
    return () => clearTimeout(timer);
  }, [begun]);
  if (atMs <= 0 || !begun || over) return null;
  return (
    <div
      role="status"
      className={cx(
        'absolute left-3 flex animate-[rise-in_180ms_ease-out] items-center gap-1 rounded-md bg-black/80 pl-4 text-sm text-white transition-[bottom] sm:left-6',
        raised ? 'bottom-28 sm:bottom-32' : 'bottom-6',
      )}
    >
      <Trans>Resumed at {clock(atMs)}</Trans>
      <button
        type="button"
        className="h-11 rounded-md px-4 font-medium text-accent hover:bg-white/10"
        onClick={() => {
          player.seek(0);
          setOver(true);
        }}
      >
        <Trans>From the start</Trans>
      </button>
    </div>
  );
}

/** Tells screen readers what a glance would. */
function Announcer({ player }: { player: Player }) {
  const { t } = useLingui();
  const status = useStore(player.store, (s) => s.status);
  const rate = useStore(player.store, (s) => s.rate);
  const words = { loading: '', playing: t`Playing`, paused: t`Paused`, ended: t`The end`, failed: '' }[status];
  return (
    <div role="status" className="sr-only">
      {rate === 1 ? words : `${words}, ${rate}×`}
    </div>
  );
}

/** The chosen subtitles, remembered by language for the next film. */
function useSubtitles(player: Player | null, tracks: Source['subtitles']): [number, (next: number | ((now: number) => number)) => void] {
  const [index, setIndex] = useState(() => {
    const language = kept();
    return language ? tracks.findIndex((track) => track.locale === language) : -1;
  });
  useEffect(() => {
    if (!player) return;
    player.setSubtitle(index, tracks[index]?.locale ?? '');
  }, [player, index, tracks]);
  const choose = useCallback(
    (next: number | ((now: number) => number)) =>
      setIndex((now) => {
        const to = typeof next === 'function' ? next(now) : next;
        try {
          const language = tracks[to]?.locale;
          if (language) localStorage.setItem(subtitleKey, language);
          else localStorage.removeItem(subtitleKey);
        } catch {
          // It lasts until the page is closed.
        }
        return to;
      }),
    [tracks],
  );
  return [index, choose];
}

/** A mouse press pauses, two make it full; a tap shows the controls, two at a side jump ten seconds. */
function useTouch(player: Player | null, wake: () => void, sleep: () => void, awake: boolean) {
  const last = useRef({ at: 0, x: 0, touch: false });
  return {
    onPointerUp(event: PointerEvent<HTMLVideoElement>) {
      const touch = event.pointerType !== 'mouse';
      const now = event.timeStamp;
      if (touch && player && now - last.current.at < 300 && Math.abs(event.clientX - last.current.x) < 60) {
        const third = event.clientX / window.innerWidth;
        if (third < 0.4) player.seekBy(-10_000);
        else if (third > 0.6) player.seekBy(10_000);
        else player.toggle();
        wake();
        last.current = { at: 0, x: 0, touch };
        return;
      }
      last.current = { at: now, x: event.clientX, touch };
      if (touch) {
        if (awake) sleep();
        else wake();
      }
    },
    onClick() {
      if (!last.current.touch) player?.toggle();
    },
    onDoubleClick() {
      if (last.current.touch) return;
      if (document.fullscreenElement) void document.exitFullscreen();
      else if (document.fullscreenEnabled) void document.documentElement.requestFullscreen();
    },
  };
}
