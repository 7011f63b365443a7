import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useSubscription } from 'urql';
import { graphql } from '~/gql/gql';
import { thisDevice } from '~/lib/events/device';
import { record, sendNow } from '~/lib/events/record';
import { toFault } from '~/lib/faults';
import { localeStore } from '~/lib/i18n';
import { uuid7 } from '~/lib/uuid7';
import type { PlaybackEvent } from './player';

const WatchSession = graphql(/* GraphQL */ `
  subscription WatchSession($input: WatchInput!) {
    watch(input: $input) { sessionId resumePositionMs serverTime ended }
  }
`);

/** Facts that wait for the session's id; a session opens within a second, or there is no network and little to say. */
const mostWaiting = 200;

interface Input {
  playableId: string;
  titleId: string;
  durationMs: number;
}

export interface WatchSessionState {
  /** Where the server says to resume; null until it has answered. */
  resumeMs: number | null;
  /** Records a fact of this viewing. */
  emit: (event: PlaybackEvent) => void;
}

/**
 * Keeps the viewing session open while the player is. The socket reconnects by
 * itself and goes on with the same session, whose identity is made here; when
 * the server ended it, or the film ended and is played again, another begins.
 */
export function useWatchSession({ playableId, titleId, durationMs }: Input): WatchSessionState {
  const [sessionUuid, setSessionUuid] = useState(() => uuid7());
  const input = useMemo(
    () => ({ playableId, titleId, durationMs, sessionUuid, device: thisDevice(), locale: localeStore.get() }),
    [playableId, titleId, durationMs, sessionUuid],
  );
  const [{ data, error }, again] = useSubscription({ query: WatchSession, variables: { input } });
  const news = data?.watch;
  // The socket comes back by itself; what ends without it is asked for again: a
  // part of the cinema was away, or the instance that held the session goes.
  const tries = useRef(0);
  useEffect(() => {
    if (news && !error) tries.current = 0;
    const lost = error && !['CONFLICT', 'FORBIDDEN', 'INVALID'].includes(toFault(error).code);
    if (!lost && news?.ended !== 'RESTART') return;
    const wait = Math.min(30_000, 500 * 2 ** Math.min(tries.current++, 6)) * (0.75 + Math.random() / 2);
    const timer = setTimeout(again, wait);
    return () => clearTimeout(timer);
  }, [news, error, again]);

  const session = useRef<{ uuid: string; id: string | null; waiting: PlaybackEvent[]; over: boolean }>({
    uuid: sessionUuid,
    id: null,
    waiting: [],
    over: false,
  });
  const [resumeMs, setResumeMs] = useState<number | null>(null);
  if (resumeMs === null && news) setResumeMs(news.resumePositionMs);

  const send = useCallback(
    (sessionId: string, event: PlaybackEvent) => record({ ...event, sessionId, playableId, titleId }),
    [playableId, titleId],
  );

  useEffect(() => {
    const now = session.current;
    if (!news) return;
    if (news.ended) {
      // A restart goes on with the same session: nothing of it waits meanwhile.
      if (news.ended === 'SILENCE') {
        session.current = { uuid: uuid7(), id: null, waiting: [], over: false };
        setSessionUuid(session.current.uuid);
      }
      return;
    }
    // An answer for the session before says nothing of this one.
    if (now.uuid !== sessionUuid || now.id === news.sessionId) return;
    now.id = news.sessionId;
    for (const event of now.waiting.splice(0)) send(news.sessionId, event);
  }, [news, sessionUuid, send]);

  const emit = useCallback(
    (event: PlaybackEvent) => {
      // After its end a session takes no more; what comes now belongs to the next.
      if (session.current.over) {
        session.current = { uuid: uuid7(), id: null, waiting: [], over: false };
        setSessionUuid(session.current.uuid);
      }
      const now = session.current;
      if (now.id) send(now.id, event);
      else if (now.waiting.length < mostWaiting) now.waiting.push(event);
      if (event.name === 'PLAY_ENDED' && event.reason === 'end') now.over = true;
    },
    [send],
  );

  // The page that comes next shows how far one got. React ends this hook before the player, which says so last.
  useEffect(() => () => queueMicrotask(sendNow), []);

  return { resumeMs, emit };
}
