import type { Exchange } from '@urql/core';
import { pipe, tap } from 'wonka';
import { createStore } from './store';

/** What the cinema goes without at the moment, as far as this page has noticed. */
export interface Standing {
  /** Queries on the page whose last answer was old, or did not come because a part is away. */
  poor: number;
  /** How many of them have had a good one since. */
  returned: number;
  /** Since when answers may be old, where one said so. */
  since?: string;
  /** What happens here is not taken at the moment: it is kept on this device and sent later. */
  keeping?: boolean;
}

export const standing = createStore<Standing>({ poor: 0, returned: 0 });

interface Poor {
  since?: string;
  again: () => void;
}

/** By the operation's key, the one that was asked longest ago first. */
const poor = new Map<number, Poor>();

function note(key: number, now?: Poor, returned = 0) {
  if (!poor.delete(key) && !now) return;
  if (now) poor.set(key, now);
  standing.set((s) => ({
    ...s,
    poor: poor.size,
    returned: s.returned + returned,
    since: [...poor.values()].find((p) => p.since)?.since,
  }));
}

/** Asks one of them again, or all. */
export function askAgain(all = false) {
  for (const p of [...poor.values()].slice(0, all ? undefined : 1)) p.again();
}

/** Watches what comes from the server for what is old or missing; who shows it (features/away) asks again. */
export const standingExchange: Exchange =
  ({ client, forward }) =>
  (operations$) =>
    pipe(
      operations$,
      tap((operation) => {
        if (operation.kind === 'teardown') note(operation.key);
      }),
      forward,
      tap(({ operation, error, extensions }) => {
        if (operation.kind !== 'query') return;
        const since = (extensions?.stale as { since: string } | undefined)?.since;
        if (since || error?.networkError || error?.graphQLErrors.some((e) => e.extensions.code === 'UNAVAILABLE')) {
          const again = client.createRequestOperation('query', operation, { requestPolicy: 'network-only' });
          note(operation.key, { since, again: () => client.reexecuteOperation(again) });
        } else note(operation.key, undefined, 1);
      }),
    );
