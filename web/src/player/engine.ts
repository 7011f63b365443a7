import type Hls from 'hls.js';

/** A quality as the engine knows it. */
export interface Level {
  id: number;
  height: number;
  bitrate: number;
}

export interface AudioTrack {
  id: number;
  label: string;
}

/** Why an engine gave up. `expired`: the server refused the signed address. */
export type EngineFault = 'expired' | 'network' | 'broken' | 'unsupported';

/** What an engine tells the player. */
export interface EngineListener {
  onLevels(levels: Level[]): void;
  onLevel(id: number): void;
  onAudioTracks(tracks: AudioTrack[], chosen: number): void;
  onFault(fault: EngineFault, code: string): void;
}

/** Brings HLS to a video element. It knows nothing of controls, sessions or words. */
export interface Engine {
  load(url: string, startMs: number): void;
  /** -1 chooses by itself. */
  setLevel(id: number): void;
  setAudio(id: number): void;
  /** Goes on loading after a network fault. */
  resume(): void;
  destroy(): void;
}

export type EngineFactory = (video: HTMLVideoElement, listener: EngineListener) => Promise<Engine>;

/** Fetches the engine's code ahead of need: while the film's address is still being asked for. */
export const warmEngine = () => void import('hls.js').catch(() => undefined);

/** hls.js where Media Source is there, else the browser's own HLS (Safari on phones). */
export const createEngine: EngineFactory = async (video, listener) => {
  const { default: HlsClass } = await import('hls.js');
  if (HlsClass.isSupported()) return hlsEngine(HlsClass, video, listener);
  if (video.canPlayType('application/vnd.apple.mpegurl')) return nativeEngine(video, listener);
  queueMicrotask(() => listener.onFault('unsupported', 'no-hls'));
  return { load() {}, setLevel() {}, setAudio() {}, resume() {}, destroy() {} };
};

function hlsEngine(HlsClass: typeof Hls, video: HTMLVideoElement, listener: EngineListener): Engine {
  let hls: Hls | undefined;
  let mediaFaults = 0;

  const open = (url: string, startMs: number) => {
    hls?.destroy();
    mediaFaults = 0;
    const fresh = new HlsClass({
      startPosition: startMs / 1000,
      maxBufferLength: 30,
      maxMaxBufferLength: 60,
      backBufferLength: 60,
      capLevelToPlayerSize: true,
      // Subtitles come from the API and are drawn by the player.
      enableWebVTT: false,
      enableIMSC1: false,
      enableCEA708Captions: false,
    });
    hls = fresh;
    fresh.on(HlsClass.Events.MANIFEST_PARSED, (_event, data) =>
      listener.onLevels(data.levels.map((level, id) => ({ id, height: level.height, bitrate: level.bitrate }))),
    );
    fresh.on(HlsClass.Events.LEVEL_SWITCHED, (_event, data) => listener.onLevel(data.level));
    const audio = () =>
      listener.onAudioTracks(
        fresh.audioTracks.map((track, id) => ({ id, label: track.name || track.lang || String(id + 1) })),
        fresh.audioTrack,
      );
    fresh.on(HlsClass.Events.AUDIO_TRACKS_UPDATED, audio);
    fresh.on(HlsClass.Events.AUDIO_TRACK_SWITCHED, audio);
    fresh.on(HlsClass.Events.ERROR, (_event, data) => {
      if (hls !== fresh) return;
      const status = data.response?.code;
      // A refusal is final even where hls.js would go on trying: only a new address helps.
      if (status === 401 || status === 403) {
        listener.onFault('expired', `${data.details} ${status}`);
        return;
      }
      if (!data.fatal) return;
      if (data.type === HlsClass.ErrorTypes.MEDIA_ERROR && mediaFaults < 2) {
        mediaFaults++;
        fresh.recoverMediaError();
        return;
      }
      const gone = status === 404 || status === 410;
      listener.onFault(data.type === HlsClass.ErrorTypes.NETWORK_ERROR && !gone ? 'network' : 'broken', data.details);
    });
    fresh.attachMedia(video);
    fresh.loadSource(url);
  };

  return {
    load: open,
    setLevel(id) {
      if (hls) hls.nextLevel = id;
    },
    setAudio(id) {
      if (hls) hls.audioTrack = id;
    },
    resume: () => hls?.startLoad(),
    destroy() {
      hls?.destroy();
      hls = undefined;
    },
  };
}

function nativeEngine(video: HTMLVideoElement, listener: EngineListener): Engine {
  let source = '';
  let startMs = 0;
  const onError = async () => {
    if (!video.error) return;
    if (video.error.code === MediaError.MEDIA_ERR_DECODE) {
      listener.onFault('broken', 'decode');
      return;
    }
    // The element does not say why; the address does.
    const status = await fetch(source, { method: 'GET' }).then((r) => r.status, () => 0);
    listener.onFault(status === 401 || status === 403 ? 'expired' : status === 404 ? 'broken' : 'network', `native ${status}`);
  };
  const onMetadata = () => {
    if (startMs > 0) video.currentTime = startMs / 1000;
  };
  const failed = () => void onError();
  video.addEventListener('error', failed);
  video.addEventListener('loadedmetadata', onMetadata);
  const load = (url: string, at: number) => {
    source = url;
    startMs = at;
    video.src = url;
    video.load();
  };
  return {
    load,
    setLevel() {},
    setAudio() {},
    resume: () => load(source, video.currentTime * 1000),
    destroy() {
      video.removeEventListener('error', failed);
      video.removeEventListener('loadedmetadata', onMetadata);
      video.removeAttribute('src');
      video.load();
    },
  };
}
