import { Client, fetchExchange, mapExchange, makeOperation, subscriptionExchange, type Exchange } from '@urql/core';
import { authExchange } from '@urql/exchange-auth';
import type { Client as Socket } from 'graphql-ws';
import { filter, map, merge, mergeMap, fromValue, pipe, share } from 'wonka';
import { freshToken, renew, sessionStore } from '~/lib/session';
import { standingExchange } from '~/lib/standing';
import { makeCache } from './cache';
import { newest } from './newest';
import { clientHeaders, endpoint, hashOf, traceparent, unknownOperation } from './transport';

/** Fills `$locale` where an operation declares it and the caller left it out. */
const localeExchange = (locale: string): Exchange =>
  mapExchange({
    onOperation(operation) {
      const declared = operation.query.definitions.some(
        (d) => d.kind === 'OperationDefinition' && d.variableDefinitions?.some((v) => v.variable.name.value === 'locale'),
      );
      const variables = operation.variables as Record<string, unknown>;
      if (!declared || variables.locale !== undefined) return operation;
      return makeOperation(
        operation.kind,
        { ...operation, variables: { ...variables, locale } },
        operation.context,
      );
    },
  });

/**
 * Sends the hash in place of the text. A program of another version may not
 * know the hash: then the text follows once.
 */
const persistedExchange: Exchange =
  ({ forward }) =>
  (operations$) => {
    const withHash = new Set<number>();
    const shared = pipe(operations$, share);
    const out = pipe(
      shared,
      map((operation) => {
        const hash = hashOf(operation.query);
        if (!hash || (operation.kind !== 'query' && operation.kind !== 'mutation')) return operation;
        withHash.add(operation.key);
        return makeOperation(
          operation.kind,
          { ...operation, extensions: { ...operation.extensions, persistedQuery: { version: 1, sha256Hash: hash } } },
          operation.context,
        );
      }),
    );
    return pipe(
      forward(out),
      mergeMap((result) => {
        if (result.error && withHash.has(result.operation.key) && unknownOperation(result.error.graphQLErrors)) {
          withHash.delete(result.operation.key);
          const again = makeOperation(
            result.operation.kind,
            {
              ...result.operation,
              extensions: {
                ...result.operation.extensions,
                persistedQuery: { ...result.operation.extensions?.persistedQuery, miss: true },
              } as never,
            },
            result.operation.context,
          );
          return forward(merge([fromValue(again), pipe(shared, filter((o) => o.kind === 'teardown' && o.key === again.key))]));
        }
        return fromValue(result);
      }),
    );
  };

async function openSocket(): Promise<Socket> {
  const { createClient } = await import('graphql-ws');
  return createClient({
    url: () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${endpoint}`,
    connectionParams: async () => {
      const token = await freshToken();
      return { authorization: token ? `Bearer ${token}` : '' };
    },
    // A subscription outlives any outage: 1 s, 2 s, 4 s … 30 s, with jitter so that all viewers do not return at once.
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: (tries) =>
      new Promise((done) => setTimeout(done, Math.min(30_000, 1000 * 2 ** Math.min(tries, 5)) * (0.75 + Math.random() / 2))),
    keepAlive: 15_000,
    lazyCloseTimeout: 3_000,
  });
}

export interface Api {
  client: Client;
  close(): void;
}

/** A client with an empty cache; one lives as long as one profile with one language. */
export function makeApi(locale: string): Api {
  // The first subscription brings its code and opens the connection; most pages need neither.
  let socket: Promise<Socket> | undefined;
  const { exchange: newestExchange, watch } = newest();
  const client = new Client({
    url: endpoint,
    preferGetMethod: false,
    fetchOptions: () => ({ headers: clientHeaders(), credentials: 'same-origin' }),
    exchanges: [
      localeExchange(locale),
      makeCache(),
      standingExchange,
      newestExchange,
      authExchange(async (utils) => ({
        addAuthToOperation(operation) {
          const now = sessionStore.get();
          return now.status === 'in'
            ? utils.appendHeaders(operation, { authorization: `Bearer ${now.token}` })
            : operation;
        },
        willAuthError() {
          const now = sessionStore.get();
          return now.status === 'unknown' || (now.status === 'in' && now.expiresAt - Date.now() < 5_000);
        },
        didAuthError: (error) => error.graphQLErrors.some((e) => e.extensions.code === 'UNAUTHENTICATED'),
        async refreshAuth() {
          await renew().catch(() => false);
        },
      })),
      ...(import.meta.env.PROD ? [persistedExchange] : []),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe(sink) {
            let stop: (() => void) | undefined;
            let stopped = false;
            socket ??= openSocket();
            socket.then(
              (open) => {
                if (stopped) return;
                const extensions = { ...request.extensions, traceparent: traceparent() };
                stop = open.subscribe({ ...request, query: request.query ?? '', extensions } as never, sink as never);
              },
              (error: unknown) => {
                socket = undefined;
                sink.error(error);
              },
            );
            return {
              unsubscribe() {
                stopped = true;
                stop?.();
              },
            };
          },
        }),
      }),
    ],
  });
  watch(client);
  return {
    client,
    close() {
      void socket?.then((open) => open.dispose(), () => undefined);
      socket = undefined;
    },
  };
}
