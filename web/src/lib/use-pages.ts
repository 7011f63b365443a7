import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { createRequest, type AnyVariables, type CombinedError } from '@urql/core';
import { useEffect, useState } from 'react';
import { useClient } from 'urql';
import { pipe, subscribe } from 'wonka';

interface Connection<Node> {
  edges: readonly { cursor: string; node: Node }[];
  pageInfo: { hasNextPage: boolean; endCursor?: string | null };
}

interface State<Data> {
  key: string;
  /** Where each page begins; the first at the beginning. */
  cursors: readonly (string | null)[];
  pages: Readonly<Record<string, { data?: Data; error?: CombinedError; fetching: boolean }>>;
}

const first = (key: string): State<never> => ({ key, cursors: [null], pages: {} });

/**
 * A list that grows page by page. Every page stays subscribed to the cache, so
 * that a change shows in whichever page it is; other variables begin anew.
 */
export function usePages<Data, Vars extends AnyVariables, Node>(
  document: TypedDocumentNode<Data, Vars>,
  variables: Omit<Vars & object, 'after'>,
  pick: (data: Data) => Connection<Node>,
) {
  const client = useClient();
  const key = JSON.stringify(variables);
  const [round, setRound] = useState(0);
  const [kept, setState] = useState<State<Data>>(() => first(key));
  const state = kept.key === key ? kept : (first(key) as State<Data>);
  const wanted = JSON.stringify(state.cursors);

  useEffect(() => {
    const cursors = JSON.parse(wanted) as (string | null)[];
    const vars = JSON.parse(key) as object;
    const stops = cursors.map((after, i) => {
      const request = createRequest(document, { ...vars, after } as unknown as Vars);
      return pipe(
        client.executeQuery(request, { requestPolicy: i === cursors.length - 1 || round > 0 ? 'cache-and-network' : 'cache-first' }),
        subscribe((result) => {
          setState((now) => {
            const mine = now.key === key ? now : (first(key) as State<Data>);
            const before = mine.pages[String(after)];
            const page = { data: result.data ?? before?.data, error: result.error, fetching: !!result.stale };
            return { ...mine, cursors: mine.cursors.length < cursors.length ? cursors : mine.cursors, pages: { ...mine.pages, [String(after)]: page } };
          });
        }),
      ).unsubscribe;
    });
    return () => stops.forEach((stop) => stop());
  }, [client, document, key, wanted, round]);

  const shown = state.cursors.map((cursor) => state.pages[String(cursor)]);
  const nodes: Node[] = [];
  const seen = new Set<string>();
  for (const page of shown) {
    if (!page?.data) continue;
    for (const edge of pick(page.data).edges) {
      // A record that moved meanwhile may stand on two pages.
      const id = (edge.node as { id?: string }).id ?? edge.cursor;
      if (!seen.has(id)) nodes.push(edge.node);
      seen.add(id);
    }
  }
  const lastPage = shown[shown.length - 1];
  const info = lastPage?.data ? pick(lastPage.data).pageInfo : undefined;
  return {
    nodes,
    data: shown[0]?.data,
    error: shown.find((page) => page?.error)?.error,
    loading: !lastPage || (!lastPage.data && !lastPage.error),
    hasMore: !!info?.hasNextPage,
    more: () => {
      if (info?.endCursor && info.hasNextPage) setState({ ...state, cursors: [...state.cursors, info.endCursor] });
    },
    again: () => setRound((n) => n + 1),
  };
}
