import { Trans } from '@lingui/react/macro';
import { useEffect, useRef, useState } from 'react';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { ResultEdgeFragment, TitleFilter } from '~/gql/graphql';
import { record } from '~/lib/events/record';
import { useFaultText } from '~/lib/faults';
import { parseMarks } from '~/lib/marks';
import { Button } from '~/ui/button';
import { TitleCard, TitleCardSkeleton } from '~/ui/title-card';

export const ResultEdgeFields = graphql(/* GraphQL */ `
  fragment ResultEdge on TitleEdge {
    cursor
    highlight(locale: $locale)
    node { ...TitleCard }
  }
`);

const SearchMore = graphql(/* GraphQL */ `
  query SearchMore($query: String, $filter: TitleFilter, $first: Int!, $after: String, $locale: Locale) {
    titles(query: $query, filter: $filter, first: $first, after: $after, sort: RELEVANCE) {
      edges { ...ResultEdge }
      pageInfo { endCursor hasNextPage }
    }
  }
`);

interface CardProps {
  edge: ResultEdgeFragment;
  query: string;
  rank: number;
}

export function ResultCard({ edge, query, rank }: CardProps) {
  const parts = parseMarks(edge.highlight);
  // The server marks parts of the name; a part that is not the whole name would hide the rest.
  const whole = parts.map((p) => p.text).join('') === edge.node.name;
  return (
    <TitleCard
      title={edge.node}
      from="search"
      onOpen={() => query && record({ name: 'RESULT_OPENED', query, rank, titleId: edge.node.id })}
      name={
        whole
          ? parts.map((part, i) =>
              part.marked ? (
                <mark key={i} className="bg-transparent text-accent-text">
                  {part.text}
                </mark>
              ) : (
                part.text
              ),
            )
          : undefined
      }
    />
  );
}

interface MoreProps {
  query: string;
  filter: TitleFilter;
  after: string | null;
  pageSize: number;
  offset: number;
}

/** The next page, asked for when its place comes near; it brings the one after itself. */
export function MoreResults({ query, filter, after, pageSize, offset }: MoreProps) {
  const words = useFaultText();
  const [near, setNear] = useState(false);
  const mark = useRef<HTMLLIElement>(null);
  useEffect(() => {
    const el = mark.current;
    if (!el) return;
    const observer = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && setNear(true), { rootMargin: '800px 0px' });
    observer.observe(el);
    return () => observer.disconnect();
  }, []);
  const [{ data, error }, again] = useQuery({
    query: SearchMore,
    variables: { query: query || null, filter, first: pageSize, after },
    pause: !near,
  });
  if (error && !data) {
    return (
      <li className="col-span-full flex items-center gap-4 text-sm text-text-2" role="alert">
        {words(error)}
        <Button size="sm" onClick={() => again({ requestPolicy: 'network-only' })}>
          <Trans>Try again</Trans>
        </Button>
      </li>
    );
  }
  if (!data) {
    return Array.from({ length: 6 }, (_, i) => (
      <li key={i} ref={i === 0 ? mark : undefined} aria-hidden>
        <TitleCardSkeleton />
      </li>
    ));
  }
  const { edges, pageInfo } = data.titles;
  return (
    <>
      {edges.map((edge, index) => (
        <li key={edge.node.id}>
          <ResultCard edge={edge} query={query} rank={offset + index + 1} />
        </li>
      ))}
      {pageInfo.hasNextPage && (
        <MoreResults query={query} filter={filter} after={pageInfo.endCursor ?? null} pageSize={pageSize} offset={offset + edges.length} />
      )}
    </>
  );
}
