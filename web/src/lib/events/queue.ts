import type { ActivityEventInput } from '~/gql/graphql';
import { uuid7 } from '../uuid7';

export type NewEvent = Omit<ActivityEventInput, 'id' | 'at'>;

/** An event waiting to be sent, with the profile that caused it: it goes out under no other. */
export interface Waiting {
  profileId: string;
  event: ActivityEventInput;
}

/** What became of a batch: taken, to be tried again later, or refused for good. */
export type Outcome = 'taken' | 'later' | 'refused';

export interface QueueDeps {
  send(events: ActivityEventInput[], keepalive: boolean): Promise<Outcome>;
  /** The profile signed in now; null when nobody is. */
  profileId(): string | null;
  /** Keeps what waits across a reload; an empty list removes it. */
  save(waiting: readonly Waiting[]): void;
  /** What earlier pages left behind. */
  load(): Waiting[];
  /** Is told whether the server takes nothing at the moment, so that all is kept here. */
  keeping?(is: boolean): void;
  now?: () => number;
  random?: () => number;
  later?: (work: () => void, ms: number) => () => void;
}

/** Facts gather this long before they are sent, so that a burst goes out as one request. */
const gatherMs = 2_000;
/** A batch stays far below the server's 500 and below the 64 kB that a closing page may send. */
const batchSize = 100;
/** What an offline device keeps: about three hours of watching. */
const capacity = 1_000;
const firstRetryMs = 1_000;
const lastRetryMs = 60_000;

/**
 * Activity on its way to the server. Each fact carries an id made here, so that
 * sending it again after a lost answer counts it once. Facts leave the queue
 * only when the server has them or refuses them for good.
 */
export class EventQueue {
  private waiting: Waiting[];
  private cancel: (() => void) | undefined;
  private sending = false;
  /** On their way by a request that outlives the page: hiding and closing come one after the other. */
  private readonly leaving = new Set<Waiting>();
  private retryMs = 0;
  private failures = 0;
  private readonly now: () => number;
  private readonly random: () => number;
  private readonly later: (work: () => void, ms: number) => () => void;

  constructor(private readonly deps: QueueDeps) {
    this.now = deps.now ?? Date.now;
    this.random = deps.random ?? Math.random;
    this.later =
      deps.later ??
      ((work, ms) => {
        const timer = setTimeout(work, ms);
        return () => clearTimeout(timer);
      });
    this.waiting = deps.load();
    if (this.waiting.length) this.schedule(gatherMs);
  }

  get size() {
    return this.waiting.length;
  }

  /** Adds a fact; does nothing when nobody is signed in. */
  push(event: NewEvent): void {
    const profileId = this.deps.profileId();
    if (!profileId) return;
    const now = this.now();
    this.waiting.push({ profileId, event: { ...event, id: uuid7(now), at: new Date(now).toISOString() } });
    if (this.waiting.length > capacity) {
      // Heartbeats are the many; losing the oldest costs ten seconds of a figure, another fact would be gone whole.
      const beat = this.waiting.findIndex((w) => w.event.name === 'HEARTBEAT');
      this.waiting.splice(Math.max(beat, 0), 1);
    }
    this.deps.save(this.waiting);
    if (!this.sending && this.retryMs === 0) this.schedule(gatherMs);
  }

  /** Sends what waits now: with `keepalive` in a way that outlives the page. */
  async flush(keepalive = false): Promise<void> {
    if (this.sending && !keepalive) return;
    this.stop();
    const profileId = this.deps.profileId();
    const batch = this.waiting.filter((w) => w.profileId === profileId && !this.leaving.has(w)).slice(0, batchSize);
    if (!profileId || batch.length === 0) return;
    this.sending = true;
    if (keepalive) for (const w of batch) this.leaving.add(w);
    let outcome: Outcome;
    try {
      outcome = await this.deps.send(batch.map((w) => w.event), keepalive);
    } catch {
      outcome = 'later';
    }
    this.sending = false;
    for (const w of batch) this.leaving.delete(w);
    this.failures = outcome === 'later' ? this.failures + 1 : 0;
    // A restart fails once and is not worth a word.
    if (this.failures !== 1) this.deps.keeping?.(this.failures > 1);
    if (outcome === 'later') {
      this.retryMs = Math.min(lastRetryMs, this.retryMs ? this.retryMs * 2 : firstRetryMs);
      this.schedule(this.retryMs * (0.75 + this.random() / 2));
      return;
    }
    this.retryMs = 0;
    const gone = new Set(batch);
    this.waiting = this.waiting.filter((w) => !gone.has(w));
    this.deps.save(this.waiting);
    if (this.waiting.some((w) => w.profileId === profileId)) this.schedule(0);
  }

  /** The network or the session came back: try at once. */
  wake(): void {
    this.retryMs = 0;
    if (this.waiting.length) this.schedule(0);
  }

  private schedule(ms: number) {
    if (this.cancel && ms > 0) return;
    this.stop();
    this.cancel = this.later(() => {
      this.cancel = undefined;
      void this.flush();
    }, ms);
  }

  private stop() {
    this.cancel?.();
    this.cancel = undefined;
  }
}
