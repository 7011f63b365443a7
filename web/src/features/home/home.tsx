import { Trans, useLingui } from '@lingui/react/macro';
import { useEffect, useRef, useState } from 'react';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { GenreRowQuery, HomeQuery } from '~/gql/graphql';
import { playedJustNow } from '~/lib/events/record';
import { useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { present } from '~/lib/present';
import { Button } from '~/ui/button';
import { EmptyState, ErrorState } from '~/ui/states';
import { TitleRow, TitleRowSkeleton } from '~/ui/title-row';
import { ContinueRow } from './continue-row';
import { Hero, HeroSkeleton } from './hero';

const Home = graphql(/* GraphQL */ `
  query Home($locale: Locale) {
    featured { ...Hero }
    continueWatching(first: 20) { ...ContinueCard }
    added: titles(sort: ADDED, first: 20) { edges { cursor node { ...TitleCard } } }
    popular(first: 20) { ...TitleCard }
    myList(first: 20) { ...TitleCard }
    genres { id slug name(locale: $locale) titleCount }
  }
`);

const GenreRowTitles = graphql(/* GraphQL */ `
  query GenreRow($genre: ID!, $locale: Locale) {
    titles(filter: { genreIds: [$genre] }, first: 20) { totalCount edges { cursor node { ...TitleCard } } }
  }
`);

/** Positions reach the server's shelf some moments after the player closed, by way of the event log. */
const askAgainMs = [500, 1_500, 4_000, 8_000];

export function HomePage() {
  const words = useFaultText();
  const [{ data, error, fetching }, again] = useQuery({ query: Home, requestPolicy: 'cache-and-network' });
  usePageTitle('');
  useEffect(() => {
    if (!playedJustNow()) return;
    const timers = askAgainMs.map((ms) => setTimeout(() => again({ requestPolicy: 'network-only' }), ms));
    return () => timers.forEach(clearTimeout);
  }, [again]);

  if (!data) {
    return (
      <main id="main" tabIndex={-1} aria-busy={fetching}>
        <h1 className="sr-only">NetflixAtHome</h1>
        {error ? (
          <div className="gutter pt-24">
            <ErrorState
              title={<Trans>The catalogue could not be loaded</Trans>}
              action={
                <Button variant="primary" onClick={() => again({ requestPolicy: 'network-only' })}>
                  <Trans>Try again</Trans>
                </Button>
              }
            >
              {words(error)}
            </ErrorState>
          </div>
        ) : (
          <>
            <HeroSkeleton />
            <TitleRowSkeleton />
            <TitleRowSkeleton />
          </>
        )}
      </main>
    );
  }

  return (
    <main id="main" tabIndex={-1} className="pb-16">
      <h1 className="sr-only">NetflixAtHome</h1>
      {data.featured ? <Hero title={data.featured} /> : <Nothing />}
      {data.continueWatching.length > 0 && <ContinueRow items={data.continueWatching} />}
      <Rows data={data} />
      {data.genres.map((genre) => (
        <GenreRow key={genre.id} id={genre.id} name={genre.name} />
      ))}
    </main>
  );
}

function Rows({ data }: { data: HomeQuery }) {
  const { t } = useLingui();
  const rows = [
    { id: 'list', heading: t`My list`, titles: present(data.myList), all: undefined },
    { id: 'popular', heading: t`Popular`, titles: present(data.popular), all: undefined },
    { id: 'added', heading: t`New`, titles: data.added.edges.map((e) => e.node), all: {} },
  ];
  return rows.map(
    (row) =>
      row.titles.length > 0 && (
        <TitleRow key={row.id} id={row.id} heading={row.heading} all={row.all} titles={row.titles.map((title) => ({ title }))} />
      ),
  );
}

function Nothing() {
  return (
    <div className="gutter pt-24">
      <EmptyState icon="film" title={<Trans>The catalogue is empty</Trans>}>
        <Trans>Once someone who manages this cinema publishes a film, it appears here.</Trans>
      </EmptyState>
    </div>
  );
}

/** Asks for its titles when it comes near; until then it is as high as it will be. */
function GenreRow({ id, name }: { id: string; name: string }) {
  const { t } = useLingui();
  const box = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    const el = box.current;
    if (!el || near) return;
    const observer = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && setNear(true), {
      rootMargin: '600px 0px',
    });
    observer.observe(el);
    return () => observer.disconnect();
  }, [near]);
  const [{ data, error }, again] = useQuery({ query: GenreRowTitles, variables: { genre: id }, pause: !near });
  const titles = data?.titles.edges.map((e: GenreRowQuery['titles']['edges'][number]) => ({ title: e.node }));
  return (
    <div ref={box}>
      {titles ? (
        <TitleRow id={id} heading={name} all={{ genre: [id] }} titles={titles} />
      ) : error ? (
        <div className="gutter flex items-center gap-4 pt-8 text-sm text-text-2">
          <Trans>“{name}” could not be loaded.</Trans>
          <Button size="sm" onClick={() => again({ requestPolicy: 'network-only' })} aria-label={t`Load “${name}” again`}>
            <Trans>Try again</Trans>
          </Button>
        </div>
      ) : (
        <TitleRowSkeleton />
      )}
    </div>
  );
}
