import { graphql } from '~/gql/gql';
import { execute, Fault } from '../api/transport';
import { localeStore } from '../i18n';
import { freshToken, renew, sessionStore } from '../session';
import { standing } from '../standing';
import { uuid7 } from '../uuid7';
import { thisDevice } from './device';
import { EventQueue, type NewEvent, type Waiting } from './queue';

const RecordEvents = graphql(/* GraphQL */ `
  mutation RecordEvents($input: RecordEventsInput!) {
    recordEvents(input: $input) {
      accepted
      rejected { index code message }
    }
  }
`);

const prefix = 'cinema.events.';
/** A key for each tab: two tabs would overwrite each other's. */
const key = prefix + uuid7();

function adopt(): Waiting[] {
  const found: Waiting[] = [];
  try {
    for (const name of Object.keys(localStorage).filter((k) => k.startsWith(prefix))) {
      // A tab that still lives sends its facts too; the ids make that harmless.
      const kept: unknown = JSON.parse(localStorage.getItem(name) ?? '[]');
      localStorage.removeItem(name);
      if (Array.isArray(kept)) found.push(...(kept as Waiting[]));
    }
  } catch {
    // Storage is closed to us or holds nonsense: there is nothing to adopt.
  }
  return found;
}

let queue: EventQueue | undefined;

function theQueue(): EventQueue {
  queue ??= new EventQueue({
    profileId: () => {
      const now = sessionStore.get();
      return now.status === 'in' ? now.profile.id : null;
    },
    load: adopt,
    save(waiting) {
      try {
        if (waiting.length) localStorage.setItem(key, JSON.stringify(waiting));
        else localStorage.removeItem(key);
      } catch {
        // Full or closed: the facts stay in memory.
      }
    },
    keeping: (keeping) => standing.set((now) => (!!now.keeping === keeping ? now : { ...now, keeping })),
    async send(events, keepalive) {
      const now = sessionStore.get();
      // A closing page cannot wait for a new token.
      const token = keepalive && now.status === 'in' ? now.token : await freshToken();
      if (!token) return 'later';
      try {
        await execute(RecordEvents, { input: { device: thisDevice(), events, locale: localeStore.get() } }, { token, keepalive });
        return 'taken'; // Single events it rejects are lost for good: no later try would change its mind.
      } catch (error) {
        if (error instanceof Fault && error.code === 'INVALID') return 'refused';
        if (error instanceof Fault && error.code === 'UNAUTHENTICATED') void renew().catch(() => false);
        return 'later';
      }
    },
  });
  return queue;
}

/** When something was last played in this browser, over reloads; nothing where storage is closed. */
const playedKey = 'cinema.played';

/** Records a fact. Never waits and never fails: the queue sees to it. */
export function record(event: NewEvent): void {
  theQueue().push(event);
  if (!event.playableId) return;
  try {
    localStorage.setItem(playedKey, String(Date.now()));
  } catch {
    // Full or closed: the row is right at the next visit.
  }
}

/** Whether something was played so shortly ago that the server may not show it yet. */
export function playedJustNow(): boolean {
  try {
    return Date.now() - Number(localStorage.getItem(playedKey)) < 15_000;
  } catch {
    return false;
  }
}

/** Sends what waits now, when what comes next depends on it. */
export const sendNow = () => void flushed();

/** Sends what waits and resolves when it was tried. */
export const flushed = () => theQueue().flush();

/** Sends what waits before the page goes, and when the network or the session is back. */
export function startEvents(): void {
  const q = theQueue();
  // On hiding too: a phone ends a hidden page without another word.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') void q.flush(true);
  });
  window.addEventListener('pagehide', () => void q.flush(true));
  window.addEventListener('online', () => q.wake());
  let was = sessionStore.get().status;
  sessionStore.subscribe(() => {
    const now = sessionStore.get().status;
    if (now === 'in' && was !== 'in') q.wake();
    was = now;
  });
}
