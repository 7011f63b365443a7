import type { Fetcher, FetcherParams } from '@graphiql/toolkit';
import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { post, type Session } from './session';

/** Queries and mutations by POST, subscriptions over one WebSocket. */
export function createFetcher(session: Session): Fetcher {
  let socket: WebSocket | null = null;
  const client = createClient({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
    lazy: true,
    retryAttempts: 3,
    connectionParams: async () => {
      const token = await session.current();
      return token ? { authorization: `Bearer ${token}` } : {};
    },
    on: {
      connected: (s) => {
        socket = s as WebSocket;
      },
      closed: () => {
        socket = null;
      },
    },
  });
  let last: string | null = null;
  session.onToken = (token) => {
    const signedInBefore = last !== null;
    last = token;
    if (!socket) return;
    if (token && signedInBefore) {
      // A ping with a new token keeps the connection past the old one's end.
      socket.send(JSON.stringify({ type: 'ping', payload: { authorization: `Bearer ${token}` } }));
    } else {
      client.terminate(); // another user: connect again
    }
  };
  return async (params: FetcherParams) => {
    if (isSubscription(params)) {
      return client.iterate({
        query: params.query,
        operationName: params.operationName ?? undefined,
        variables: params.variables as Record<string, unknown> | undefined,
      }) as AsyncIterableIterator<never>;
    }
    // The schema is the same for everyone and must not wait for a sign-in.
    const token = params.operationName === 'IntrospectionQuery' ? null : await session.current();
    return post({ query: params.query, operationName: params.operationName, variables: params.variables }, token) as Promise<never>;
  };
}

function isSubscription(params: FetcherParams): boolean {
  try {
    return getOperationAST(parse(params.query), params.operationName ?? undefined)?.operation === 'subscription';
  } catch {
    return false; // the server says what is wrong with it
  }
}
