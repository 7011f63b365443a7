import type { Client, Exchange, Operation } from '@urql/core';
import { filter, makeSubject, merge, pipe, tap } from 'wonka';

/** How many mutations have been answered on this page, by whichever way they went. */
let changes = 0;

/** A mutation was answered: what was asked for before may not know of it. */
export const changed = () => {
  changes++;
};

interface UnderWay {
  operation: Operation;
  /** The changes before it was sent. */
  changes: number;
  /** It was asked for again since, after another change: its answer is too old. */
  old: boolean;
}

/**
 * What was read before a change never stands for what is after it.
 *
 * The client lets a query under way answer for the same one asked again, even
 * where a mutation was answered in between. Here that answer is dropped, and
 * the query sent once more. The exchange stands before those that send.
 */
export function newest(): { exchange: Exchange; watch: (client: Client) => void } {
  const underWay = new Map<number, UnderWay>();
  const { source: again$, next: sendAgain } = makeSubject<Operation>();
  const exchange: Exchange =
    ({ forward }) =>
    (operations$) =>
      pipe(
        merge([operations$, again$]),
        tap((operation) => {
          if (operation.kind === 'teardown') underWay.delete(operation.key);
          if (operation.kind === 'query') underWay.set(operation.key, { operation, changes, old: false });
        }),
        forward,
        filter(({ operation: { kind, key } }) => {
          if (kind === 'mutation') changed();
          const asked = underWay.get(key);
          if (!asked) return true;
          underWay.delete(key);
          if (asked.old) sendAgain(asked.operation);
          return !asked.old;
        }),
      );
  const watch = (client: Client) => {
    const executeQuery = client.executeQuery.bind(client);
    client.executeQuery = (request, options) => {
      const asked = underWay.get(request.key);
      if (asked && options?.requestPolicy === 'network-only') asked.old ||= asked.changes < changes;
      return executeQuery(request, options);
    };
  };
  return { exchange, watch };
}
