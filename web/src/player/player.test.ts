import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EngineListener } from './engine';
import { handleKey } from './keys';
import { Player, type PlaybackEvent } from './player';

/** A player with an engine that does as it is told and a video element whose clock is ours. */
async function setup(options: { renewUrl?: () => Promise<string | null>; startMs?: number } = {}) {
  const video = document.createElement('video');
  let currentTime = 0;
  let paused = true;
  Object.defineProperties(video, {
    currentTime: {
      get: () => currentTime,
      set: (to: number) => {
        currentTime = to;
        video.dispatchEvent(new Event('seeked'));
      },
    },
    paused: { get: () => paused },
  });
  video.play = async () => {
    paused = false;
    video.dispatchEvent(new Event('play'));
  };
  video.pause = () => {
    paused = true;
    video.dispatchEvent(new Event('pause'));
  };
  const events: PlaybackEvent[] = [];
  const engine = { load: vi.fn(), setLevel: vi.fn(), setAudio: vi.fn(), resume: vi.fn(), destroy: vi.fn() };
  let listener!: EngineListener;
  let clock = 0;
  const player = new Player({
    video,
    createEngine: async (_video, l) => {
      listener = l;
      return engine;
    },
    emit: (event) => events.push(event),
    renewUrl: options.renewUrl ?? (async () => '/media/new'),
    durationMs: 100_000,
    now: () => clock,
  });
  await player.start('/media/first', options.startMs ?? 0);
  return {
    player,
    video,
    engine,
    events,
    fault: (kind: Parameters<EngineListener['onFault']>[0]) => listener.onFault(kind, 'code'),
    listener,
    at: (ms: number) => {
      currentTime = ms / 1000;
      video.dispatchEvent(new Event('timeupdate'));
    },
    pass: (ms: number) => (clock += ms),
    fire: (name: string) => video.dispatchEvent(new Event(name)),
    names: () => events.map((e) => e.name),
  };
}

const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('Player', () => {
  it('begins where it was told and says how long the first picture took', async () => {
    const { player, engine, events, fire, pass } = await setup({ startMs: 30_000 });
    expect(engine.load).toHaveBeenCalledWith('/media/first', 30_000);
    pass(420);
    fire('playing');
    expect(events).toEqual([{ name: 'PLAY_STARTED', positionMs: 30_000, firstFrameMs: 420 }]);
    expect(player.state.status).toBe('playing');
  });

  it('beats every ten seconds, also while it stands', async () => {
    const { player, events, fire } = await setup();
    fire('playing');
    vi.advanceTimersByTime(20_000);
    player.pause();
    vi.advanceTimersByTime(10_000);
    const beats = events.filter((e) => e.name === 'HEARTBEAT');
    expect(beats.map((b) => b.playing)).toEqual([true, true, false]);
  });

  it('counts what was watched, not what was skipped', async () => {
    const { player, events, fire, at } = await setup();
    fire('playing');
    at(1_000);
    at(2_000);
    player.seek(60_000);
    at(60_500);
    player.end('viewer');
    expect(events.find((e) => e.name === 'SEEKED')).toMatchObject({ fromMs: 2_000, positionMs: 60_000 });
    expect(events.at(-1)).toEqual({ name: 'PLAY_ENDED', reason: 'viewer', positionMs: 60_500, watchedMs: 2_500 });
  });

  it('ends once', async () => {
    const { player, fire, names } = await setup();
    fire('playing');
    fire('ended');
    player.end('closed');
    player.destroy();
    expect(names().filter((n) => n === 'PLAY_ENDED')).toHaveLength(1);
  });

  it('says nothing of a film that never began', async () => {
    const { player, names } = await setup();
    player.destroy();
    expect(names()).toEqual([]);
  });

  it('measures a wait for data, but not the wait after a jump', async () => {
    const { player, events, fire, pass } = await setup();
    fire('playing');
    fire('waiting');
    expect(player.state.stalled).toBe(true);
    pass(700);
    fire('playing');
    expect(events.filter((e) => e.name === 'STALLED')).toEqual([{ name: 'STALLED', stalledMs: 700 }]);
    fire('waiting');
    vi.advanceTimersByTime(8_000);
    expect(player.state.slow).toBe(true);
    fire('canplay');
    expect(player.state.slow).toBe(false);
  });

  it('goes on at the same place with a new address when the old one ended', async () => {
    const { player, engine, fire, at, fault } = await setup();
    fire('playing');
    at(1_000);
    at(2_000);
    fault('expired');
    await settle();
    expect(engine.load).toHaveBeenLastCalledWith('/media/new', 2_000);
    expect(player.state.trouble).toBeNull();
    // A new address that is refused too was not the cure.
    fault('expired');
    await settle();
    fault('expired');
    await settle();
    expect(player.state).toMatchObject({ trouble: 'expired', status: 'failed' });
  });

  it('waits for the network, and goes on by itself', async () => {
    const { player, engine, fire, fault, names } = await setup();
    fire('playing');
    const online = vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
    fault('network');
    await settle();
    expect(player.state.trouble).toBe('offline');
    expect(names()).not.toContain('PLAY_FAILED');
    online.mockReturnValue(true);
    window.dispatchEvent(new Event('online'));
    expect(engine.resume).toHaveBeenCalled();
    expect(player.state.trouble).toBeNull();
  });

  it('names a broken file', async () => {
    const { player, events, fire, fault } = await setup();
    fire('playing');
    fault('broken');
    await settle();
    expect(player.state.trouble).toBe('broken');
    expect(events.at(-1)).toMatchObject({ name: 'PLAY_FAILED', code: 'code' });
  });

  it('sorts qualities and reports which one is shown', async () => {
    const { player, events, fire, listener } = await setup();
    listener.onLevels([{ id: 0, height: 360, bitrate: 1 }, { id: 1, height: 1080, bitrate: 3 }]);
    fire('playing');
    listener.onLevel(1);
    expect(player.state.levels.map((l) => l.height)).toEqual([1080, 360]);
    expect(events.at(-1)).toEqual({ name: 'RENDITION_CHANGED', rendition: '1080p' });
  });
});

describe('keys', () => {
  const targets = { toggleFullscreen: vi.fn(), cycleSubtitles: vi.fn(), showKeys: vi.fn(), leave: vi.fn(), wake: vi.fn() };
  const press = (player: Player, key: string, init: KeyboardEventInit = {}) => handleKey(new KeyboardEvent('keydown', { key, ...init }), player, targets);

  it.each([
    ['l', 60_000],
    ['j', 40_000],
    ['ArrowRight', 55_000],
    ['ArrowLeft', 45_000],
    ['3', 30_000],
    ['0', 0],
  ])('%s leads to %i ms', async (key, want) => {
    const { player, fire, at } = await setup({ startMs: 50_000 });
    fire('playing');
    at(50_000);
    expect(press(player, key)).toBe(true);
    expect(player.state.positionMs).toBe(want);
  });

  it('plays, mutes, hastens and lists', async () => {
    const { player, video, fire } = await setup();
    fire('playing');
    press(player, ' ');
    expect(video.paused).toBe(true);
    press(player, 'k');
    expect(video.paused).toBe(false);
    press(player, 'm');
    expect(video.muted).toBe(true);
    press(player, '>');
    expect(video.playbackRate).toBe(1.25);
    press(player, '?');
    expect(targets.showKeys).toHaveBeenCalled();
    press(player, 'f');
    expect(targets.toggleFullscreen).toHaveBeenCalled();
    press(player, 'c');
    expect(targets.cycleSubtitles).toHaveBeenCalled();
  });

  it('leaves the browser its own', async () => {
    const { player } = await setup();
    expect(press(player, 'l', { ctrlKey: true })).toBe(false);
    expect(press(player, 'Tab')).toBe(false);
  });
});
