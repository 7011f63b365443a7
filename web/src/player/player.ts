import type { NewEvent } from '~/lib/events/queue';
import { createStore, type Store } from '~/lib/store';
import type { AudioTrack, Engine, EngineFactory, EngineFault, Level } from './engine';

export type Trouble = EngineFault | 'offline';

/** All that the controls show. One store; only the player writes it. */
export interface PlayerState {
  status: 'loading' | 'playing' | 'paused' | 'ended' | 'failed';
  /** The picture waits for data. */
  stalled: boolean;
  /** It has waited so long that words are due. */
  slow: boolean;
  trouble: Trouble | null;
  /** The browser wants a press before it plays with sound. */
  blocked: boolean;
  positionMs: number;
  durationMs: number;
  buffered: readonly { fromMs: number; toMs: number }[];
  volume: number;
  muted: boolean;
  rate: number;
  levels: readonly Level[];
  /** The chosen quality; -1 for automatic. */
  level: number;
  /** The quality on the screen; -1 before the first. */
  shownLevel: number;
  audioTracks: readonly AudioTrack[];
  audio: number;
  /** Index of the subtitles that are shown; -1 for none. */
  subtitle: number;
}

export type PlaybackEvent = Omit<NewEvent, 'sessionId' | 'playableId' | 'titleId'>;

export interface PlayerDeps {
  video: HTMLVideoElement;
  createEngine: EngineFactory;
  /** Facts for the viewing session. */
  emit(event: PlaybackEvent): void;
  /** A new signed address for the same film, or null when there is none. */
  renewUrl(): Promise<string | null>;
  durationMs: number;
  now?: () => number;
}

export const rates = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

const heartbeatMs = 10_000;
/** A wait is said after this long: shorter ones pass before words could be read. */
const slowMs = 8_000;
/** A new address that is refused at once was not the cure. */
const renewalsInARow = 2;

const keep = {
  get(key: string): string | null {
    try {
      return localStorage.getItem(`cinema.player.${key}`);
    } catch {
      return null;
    }
  },
  set(key: string, value: string) {
    try {
      localStorage.setItem(`cinema.player.${key}`, value);
    } catch {
      // It lasts until the page is closed.
    }
  },
};

/** Plays one film or episode: commands in, state and facts out. Controls know it, the engine does not know them. */
export class Player {
  readonly store: Store<PlayerState>;
  private engine: Engine | undefined;
  private readonly video: HTMLVideoElement;
  private readonly now: () => number;
  private readonly stop: (() => void)[] = [];
  private beat: ReturnType<typeof setInterval> | undefined;
  private slowTimer: ReturnType<typeof setTimeout> | undefined;
  private loadedAt = 0;
  private begun = false;
  private ended = false;
  private destroyed = false;
  private stalledSince: number | null = null;
  private lastPositionMs = 0;
  private watched = 0;
  private seekFromMs: number | null = null;
  private renewals = 0;
  private renewing = false;
  /** Whether the viewer did anything yet; a late resume position must not move them then. */
  touched = false;

  constructor(private readonly deps: PlayerDeps) {
    this.video = deps.video;
    this.now = deps.now ?? (() => performance.now());
    const volume = Number(keep.get('volume') ?? 1);
    this.store = createStore<PlayerState>({
      status: 'loading',
      stalled: true,
      slow: false,
      trouble: null,
      blocked: false,
      positionMs: 0,
      durationMs: deps.durationMs,
      buffered: [],
      volume: volume >= 0 && volume <= 1 ? volume : 1,
      muted: keep.get('muted') === 'yes',
      rate: 1,
      levels: [],
      level: -1,
      shownLevel: -1,
      audioTracks: [],
      audio: -1,
      subtitle: -1,
    });
    this.video.volume = this.state.volume;
    this.video.muted = this.state.muted;
    this.listen();
  }

  get state() {
    return this.store.get();
  }

  get watchedMs() {
    return Math.round(this.watched);
  }

  private patch(part: Partial<PlayerState>) {
    this.store.set((now) => ({ ...now, ...part }));
  }

  async start(url: string, startMs: number): Promise<void> {
    this.loadedAt = this.now();
    this.lastPositionMs = startMs;
    this.patch({ positionMs: startMs });
    this.watchStall();
    const engine = await this.deps.createEngine(this.video, {
      onLevels: (levels) => this.patch({ levels: [...levels].sort((a, b) => b.height - a.height || b.bitrate - a.bitrate) }),
      onLevel: (id) => {
        const before = this.state.shownLevel;
        this.patch({ shownLevel: id });
        if (before !== id && this.begun) this.deps.emit({ name: 'RENDITION_CHANGED', rendition: this.rendition() });
      },
      onAudioTracks: (audioTracks, audio) => this.patch({ audioTracks, audio }),
      onFault: (fault, code) => void this.fault(fault, code),
    });
    if (this.destroyed) {
      engine.destroy();
      return;
    }
    this.engine = engine;
    engine.load(url, startMs);
    this.play(false);
  }

  play(byViewer = true) {
    if (byViewer) this.touched = true;
    this.video.play().then(
      () => this.patch({ blocked: false }),
      (error: unknown) => {
        // Browsers want a press before sound; another load merely interrupted the call.
        if (error instanceof DOMException && error.name === 'NotAllowedError') this.patch({ blocked: true, stalled: false, status: 'paused' });
      },
    );
  }

  pause() {
    this.touched = true;
    this.video.pause();
  }

  toggle() {
    if (this.video.paused || this.state.status === 'ended') {
      if (this.state.status === 'ended') this.seek(0);
      this.play();
    } else this.pause();
  }

  seek(toMs: number, byViewer = true) {
    if (byViewer) this.touched = true;
    const to = Math.max(0, Math.min(this.state.durationMs - 200, toMs));
    this.seekFromMs ??= this.state.positionMs;
    this.lastPositionMs = to;
    this.patch({ positionMs: to, ...(this.state.status === 'ended' ? { status: 'paused' as const } : {}) });
    this.video.currentTime = to / 1000;
  }

  seekBy(ms: number) {
    this.seek(this.state.positionMs + ms);
  }

  setVolume(volume: number) {
    const next = Math.max(0, Math.min(1, Math.round(volume * 100) / 100));
    this.video.volume = next;
    this.video.muted = next === 0;
    keep.set('volume', String(next || this.state.volume));
  }

  toggleMuted() {
    this.video.muted = !this.video.muted;
    if (!this.video.muted && this.video.volume === 0) this.video.volume = 0.5;
    keep.set('muted', this.video.muted ? 'yes' : 'no');
  }

  setRate(rate: number) {
    this.video.playbackRate = rate;
  }

  stepRate(step: 1 | -1) {
    const at = rates.findIndex((r) => r >= this.state.rate);
    const next = rates[Math.max(0, Math.min(rates.length - 1, at + step))];
    if (next) this.setRate(next);
  }

  setLevel(id: number) {
    this.engine?.setLevel(id);
    this.patch({ level: id });
  }

  setAudio(id: number) {
    this.engine?.setAudio(id);
  }

  setSubtitle(index: number, locale: string) {
    if (index === this.state.subtitle) return;
    this.patch({ subtitle: index });
    this.deps.emit({ name: 'SUBTITLE_CHANGED', subtitle: locale });
  }

  /** Tries again after trouble, at the same place. */
  retry() {
    const { trouble } = this.state;
    this.patch({ trouble: null, status: 'loading', stalled: true });
    this.watchStall();
    if (trouble === 'offline' || trouble === 'network') {
      this.engine?.resume();
      this.play(false);
    } else {
      this.renewals = 0;
      void this.renew();
    }
  }

  /** Ends the viewing; safe to call again. */
  end(reason: 'viewer' | 'end' | 'closed' | 'error') {
    if (!this.begun || this.ended) return;
    this.ended = true;
    this.beatOff();
    this.closeStall();
    this.deps.emit({ name: 'PLAY_ENDED', reason, positionMs: this.positionMs(), watchedMs: this.watchedMs });
  }

  destroy() {
    this.end('viewer');
    this.destroyed = true;
    for (const stop of this.stop) stop();
    clearTimeout(this.slowTimer);
    this.engine?.destroy();
  }

  private positionMs = () => Math.round(this.state.positionMs);

  private rendition(): string {
    const level = this.state.levels.find((l) => l.id === this.state.shownLevel);
    return level ? `${level.height}p` : 'source';
  }

  private bufferedMs(): number {
    const at = this.state.positionMs;
    const range = this.state.buffered.find((r) => r.fromMs <= at + 250 && r.toMs >= at);
    return range ? Math.round(range.toMs - at) : 0;
  }

  private heartbeat = () => {
    this.deps.emit({
      name: 'HEARTBEAT',
      positionMs: this.positionMs(),
      playing: this.state.status === 'playing' && !this.state.stalled,
      rate: this.state.rate,
      rendition: this.rendition(),
      bufferedMs: this.bufferedMs(),
    });
  };

  private beatOff() {
    clearInterval(this.beat);
    this.beat = undefined;
  }

  /** The first picture, and again when a film that ended is played once more. */
  private beginning() {
    if (this.begun && !this.ended) return;
    const again = this.begun;
    this.begun = true;
    this.ended = false;
    this.watched = 0;
    this.deps.emit({
      name: 'PLAY_STARTED',
      positionMs: this.positionMs(),
      firstFrameMs: again ? 0 : Math.round(this.now() - this.loadedAt),
    });
    this.beat ??= setInterval(this.heartbeat, heartbeatMs);
  }

  private watchStall() {
    clearTimeout(this.slowTimer);
    this.slowTimer = setTimeout(() => this.state.stalled && this.patch({ slow: true }), slowMs);
  }

  private openStall() {
    this.patch({ stalled: true });
    this.watchStall();
    // A seek waits too, but by the viewer's will.
    if (this.begun && this.seekFromMs === null) this.stalledSince ??= this.now();
  }

  private closeStall() {
    clearTimeout(this.slowTimer);
    if (this.stalledSince !== null) {
      const stalledMs = Math.round(this.now() - this.stalledSince);
      this.stalledSince = null;
      if (stalledMs >= 50) this.deps.emit({ name: 'STALLED', stalledMs });
    }
    if (this.state.stalled || this.state.slow) this.patch({ stalled: false, slow: false });
  }

  private async fault(fault: EngineFault, code: string) {
    if (this.destroyed) return;
    if (fault === 'expired' && this.renewals < renewalsInARow) {
      await this.renew();
      return;
    }
    if (fault === 'network' && !navigator.onLine) {
      this.patch({ trouble: 'offline', status: 'failed', stalled: false });
      return; // The network comes back; nothing has failed for good.
    }
    this.deps.emit({ name: 'PLAY_FAILED', code: code.slice(0, 64), positionMs: this.positionMs() });
    this.patch({ trouble: fault, status: 'failed', stalled: false });
  }

  private async renew() {
    if (this.renewing) return;
    this.renewing = true;
    this.renewals++;
    const wasPaused = this.video.paused && this.begun;
    const at = this.state.positionMs;
    try {
      const url = await this.deps.renewUrl();
      if (this.destroyed) return;
      if (!url) {
        await this.fault('broken', 'no-playback');
        return;
      }
      this.engine?.load(url, at);
      if (!wasPaused) this.play(false);
    } catch {
      await this.fault('network', 'renew');
    } finally {
      this.renewing = false;
    }
  }

  private listen() {
    const on = (name: string, work: () => void) => {
      this.video.addEventListener(name, work);
      this.stop.push(() => this.video.removeEventListener(name, work));
    };
    on('timeupdate', () => {
      const ms = this.video.currentTime * 1000;
      // Before its first data the element says 0, whatever place it was told.
      if (!this.begun && ms < this.lastPositionMs - 1000) return;
      if (this.video.seeking) return;
      const step = ms - this.lastPositionMs;
      if (step > 0 && step < 3_000 && this.state.status === 'playing') this.watched += step;
      this.lastPositionMs = ms;
      this.patch({ positionMs: ms });
      if (this.begun && step > 0) this.renewals = 0;
    });
    on('durationchange', () => {
      const ms = this.video.duration * 1000;
      if (Number.isFinite(ms) && ms > 0) this.patch({ durationMs: ms });
    });
    on('progress', () => {
      const ranges = [];
      for (let i = 0; i < this.video.buffered.length; i++) {
        ranges.push({ fromMs: this.video.buffered.start(i) * 1000, toMs: this.video.buffered.end(i) * 1000 });
      }
      this.patch({ buffered: ranges });
    });
    on('playing', () => {
      this.closeStall();
      this.patch({ status: 'playing', trouble: null, blocked: false });
      this.beginning();
    });
    on('play', () => this.patch({ status: this.begun ? 'playing' : 'loading' }));
    on('pause', () => {
      if (this.video.ended || this.state.status === 'failed') return;
      this.patch({ status: 'paused' });
      if (this.begun && !this.ended) {
        this.deps.emit({ name: 'PAUSED', positionMs: this.positionMs() });
        this.closeStall();
      }
    });
    on('waiting', () => this.openStall());
    on('canplay', () => this.closeStall());
    on('seeked', () => {
      const fromMs = this.seekFromMs;
      this.seekFromMs = null;
      if (fromMs !== null && this.begun && !this.ended) {
        this.deps.emit({ name: 'SEEKED', fromMs: Math.round(fromMs), positionMs: Math.round(this.video.currentTime * 1000) });
      }
    });
    on('ended', () => {
      this.patch({ status: 'ended', stalled: false, positionMs: this.state.durationMs });
      this.end('end');
    });
    on('volumechange', () => this.patch({ volume: this.video.volume, muted: this.video.muted }));
    on('ratechange', () => this.patch({ rate: this.video.playbackRate }));
    const online = () => {
      if (this.state.trouble === 'offline' || this.state.trouble === 'network') this.retry();
    };
    window.addEventListener('online', online);
    this.stop.push(() => window.removeEventListener('online', online), () => this.beatOff());
  }
}
