import { describe, expect, it } from 'vitest';
import type { ActivityEventInput } from '~/gql/graphql';
import { EventQueue, type Outcome, type Waiting } from './queue';

/** A queue whose time is moved by hand. */
function setup(options: { outcomes?: (Outcome | Error)[]; kept?: Waiting[] } = {}) {
  const sent: { ids: string[]; names: string[]; keepalive: boolean }[] = [];
  const outcomes = [...(options.outcomes ?? [])];
  let profile: string | null = 'p1';
  let now = 1_000_000;
  let timers: { at: number; work: () => void }[] = [];
  let saved: readonly Waiting[] = [];
  const keeping: boolean[] = [];
  const queue = new EventQueue({
    async send(events: ActivityEventInput[], keepalive) {
      sent.push({ ids: events.map((e) => e.id), names: events.map((e) => e.name), keepalive });
      const outcome = outcomes.shift() ?? 'taken';
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
    profileId: () => profile,
    save: (waiting) => (saved = [...waiting]),
    load: () => options.kept ?? [],
    keeping: (is) => keeping.push(is),
    now: () => now,
    random: () => 0.5,
    later(work, ms) {
      const timer = { at: now + ms, work };
      timers.push(timer);
      return () => (timers = timers.filter((t) => t !== timer));
    },
  });
  const pass = async (ms: number) => {
    now += ms;
    const due = timers.filter((t) => t.at <= now);
    timers = timers.filter((t) => t.at > now);
    for (const t of due) t.work();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { queue, sent, pass, keeping, saved: () => saved, as: (id: string | null) => (profile = id) };
}

describe('EventQueue', () => {
  it('gathers a burst into one batch and forgets what was taken', async () => {
    const { queue, sent, pass, saved } = setup();
    queue.push({ name: 'PAUSED', positionMs: 1 });
    queue.push({ name: 'SEEKED', positionMs: 2 });
    expect(saved()).toHaveLength(2);
    await pass(1_999);
    expect(sent).toHaveLength(0);
    await pass(1);
    expect(sent.map((s) => s.names)).toEqual([['PAUSED', 'SEEKED']]);
    expect(queue.size).toBe(0);
    expect(saved()).toHaveLength(0);
  });

  it('says that facts are kept here from the second refusal on, until they are taken', async () => {
    const { queue, pass, keeping } = setup({ outcomes: ['later', 'later', 'later', 'taken', 'later', 'taken'] });
    queue.push({ name: 'PAUSED' });
    await pass(2_000);
    expect(keeping).toEqual([]);
    await pass(1_000);
    expect(keeping).toEqual([true]);
    await pass(2_000);
    await pass(4_000);
    expect(keeping).toEqual([true, true, false]);
    queue.push({ name: 'PAUSED' });
    await pass(2_000);
    await pass(1_000);
    expect(keeping).toEqual([true, true, false, false]);
  });

  it('tries again with the same ids, ever more slowly', async () => {
    const { queue, sent, pass } = setup({ outcomes: ['later', new Error('down'), 'taken'] });
    queue.push({ name: 'PAUSED' });
    await pass(2_000);
    await pass(999);
    expect(sent).toHaveLength(1);
    await pass(1);
    expect(sent).toHaveLength(2);
    await pass(1_999);
    expect(sent).toHaveLength(2);
    await pass(1);
    expect(sent).toHaveLength(3);
    expect(new Set(sent.flatMap((s) => s.ids)).size).toBe(1);
    expect(queue.size).toBe(0);
  });

  it('drops what is refused for good', async () => {
    const { queue, pass } = setup({ outcomes: ['refused'] });
    queue.push({ name: 'PAUSED' });
    await pass(2_000);
    expect(queue.size).toBe(0);
  });

  it('sends what earlier pages left, in batches', async () => {
    const kept = Array.from({ length: 150 }, (_, i) => ({
      profileId: 'p1',
      event: { id: `id-${i}`, at: '2026-01-01T00:00:00Z', name: 'HEARTBEAT' as const },
    }));
    const { sent, pass } = setup({ kept });
    await pass(2_000);
    await pass(0);
    expect(sent.map((s) => s.ids.length)).toEqual([100, 50]);
  });

  it('keeps the facts of one profile from another', async () => {
    const { queue, sent, pass, as } = setup();
    queue.push({ name: 'PAUSED' });
    as('p2');
    queue.push({ name: 'SEEKED' });
    await pass(2_000);
    expect(sent.map((s) => s.names)).toEqual([['SEEKED']]);
    as('p1');
    queue.wake();
    await pass(0);
    expect(sent[1]?.names).toEqual(['PAUSED']);
  });

  it('records nothing for nobody', () => {
    const { queue, as } = setup();
    as(null);
    queue.push({ name: 'PAUSED' });
    expect(queue.size).toBe(0);
  });

  it('is bounded, and gives up old heartbeats first', () => {
    const { queue, saved } = setup();
    queue.push({ name: 'PLAY_STARTED' });
    for (let i = 0; i < 1_100; i++) queue.push({ name: 'HEARTBEAT', positionMs: i });
    expect(queue.size).toBe(1_000);
    expect(saved()[0]?.event.name).toBe('PLAY_STARTED');
    expect(saved()[1]?.event.positionMs).toBe(101);
  });

  it('sends once when hiding and closing follow each other', async () => {
    const { queue, sent } = setup();
    queue.push({ name: 'PLAY_ENDED', reason: 'closed' });
    await Promise.all([queue.flush(true), queue.flush(true)]);
    expect(sent.map((s) => s.keepalive)).toEqual([true]);
  });
});
