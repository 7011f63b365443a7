import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useEffect, useRef, useState } from 'react';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { SearchFirstQuery } from '~/gql/graphql';
import { record } from '~/lib/events/record';
import { toFault, useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { present } from '~/lib/present';
import { filterCount, toFilter, type TitleSearch } from '~/lib/title-search';
import { Button, ButtonLink } from '~/ui/button';
import { cx } from '~/ui/cx';
import { Icon } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { EmptyState, ErrorState } from '~/ui/states';
import { posterGrid, TitleCardSkeleton } from '~/ui/title-card';
import { TitleRow } from '~/ui/title-row';
import { ActiveFilters, FilterPanel } from './filters';
import { MoreResults, ResultCard } from './results';

const SearchFirst = graphql(/* GraphQL */ `
  query SearchFirst($query: String, $filter: TitleFilter, $first: Int!, $withPeople: Boolean!, $locale: Locale) {
    titles(query: $query, filter: $filter, first: $first, sort: RELEVANCE) {
      totalCount
      suggestion
      edges { ...ResultEdge }
      pageInfo { endCursor hasNextPage }
      facets { ...Facets }
    }
    people(query: $query, first: 6) @include(if: $withPeople) {
      edges { cursor node { id name(locale: $locale) } }
    }
  }
`);

const PopularInstead = graphql(/* GraphQL */ `
  query PopularInstead($locale: Locale) {
    popular(first: 20) { ...TitleCard }
  }
`);

const pageSize = 36;
/** Long enough that fast typing asks once, short enough not to be felt. */
const debounceMs = 120;

export function SearchPage({ search }: { search: TitleSearch }) {
  const { t } = useLingui();
  const words = useFaultText();
  const navigate = useNavigate();
  const [text, setText] = useState(search.q ?? '');
  const [panel, setPanel] = useState(false);
  const input = useRef<HTMLInputElement>(null);

  // The address follows the words a moment later, and the words follow the address on back and forward.
  const [seen, setSeen] = useState(search.q ?? '');
  const [pushed, setPushed] = useState(search.q ?? '');
  if ((search.q ?? '') !== seen) {
    setSeen(search.q ?? '');
    if ((search.q ?? '') !== pushed) setText(search.q ?? '');
  }
  useEffect(() => {
    const q = text.trim();
    if (q === (search.q ?? '')) return;
    const timer = setTimeout(() => {
      setPushed(q);
      void navigate({ to: '/search', search: { ...search, q: q || undefined }, replace: true, resetScroll: false });
    }, debounceMs);
    return () => clearTimeout(timer);
  }, [text, search, navigate]);

  const q = search.q ?? '';
  const change = (next: TitleSearch) => void navigate({ to: '/search', search: next, replace: false, resetScroll: false });

  const began = useRef(0);
  const [{ data, error, fetching, operation }, again] = useQuery({
    query: SearchFirst,
    variables: { query: q || null, filter: toFilter(search), first: pageSize, withPeople: q !== '' },
  });
  // The answer that stands stays until the next one is here, so that the page does not blink between letters.
  const [kept, setKept] = useState<{ data: SearchFirstQuery; q: string; key: number } | null>(null);
  if (data && !fetching && operation && (kept?.data !== data || kept.key !== operation.key)) {
    setKept({ data, q, key: operation.key });
  }
  const shown = kept?.data;
  const stale = useDeferredValue(fetching);
  usePageTitle(q ? t`Search: ${q}` : t`Search`);

  // A search is what someone paused on, not each letter on the way.
  useEffect(() => {
    began.current = performance.now();
  }, [q, search]);
  const answered = kept && kept.q === q && !fetching ? kept : null;
  const elapsed = useRef(0);
  useEffect(() => {
    if (answered) elapsed.current = Math.round(performance.now() - began.current);
  }, [answered]);
  useEffect(() => {
    if (!answered || !q) return;
    const timer = setTimeout(() => {
      record({
        name: 'SEARCHED',
        query: q,
        filters: filterCount(search) ? JSON.stringify({ ...search, q: undefined }).slice(0, 500) : null,
        results: answered.data.titles.totalCount,
        elapsedMs: elapsed.current,
      });
    }, 1_000);
    return () => clearTimeout(timer);
  }, [answered, q, search]);

  const filters = filterCount(search);
  return (
    <main id="main" tabIndex={-1} className="gutter pt-20 pb-16">
      <h1 className="sr-only">
        <Trans>Search</Trans>
      </h1>
      <form role="search" onSubmit={(event) => event.preventDefault()} className="flex gap-3">
        <div className="relative flex-1">
          <Icon name="search" size={22} className="pointer-events-none absolute top-1/2 left-4 -translate-y-1/2 text-text-3" />
          <input
            ref={input}
            type="search"
            autoFocus
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Escape' && text) {
                event.preventDefault();
                setText('');
              }
            }}
            maxLength={200}
            autoComplete="off"
            spellCheck={false}
            enterKeyHint="search"
            aria-label={t`Titles and people`}
            placeholder={t`Titles and people`}
            className="h-13 w-full rounded-md border border-line-strong bg-surface-1 pr-12 pl-12 text-base text-text-1 placeholder:text-text-3 hover:border-text-3 [&::-webkit-search-cancel-button]:hidden"
          />
          {text && (
            <button
              type="button"
              aria-label={t`Clear`}
              onClick={() => {
                setText('');
                input.current?.focus();
              }}
              className="absolute top-1/2 right-1 grid size-11 -translate-y-1/2 place-items-center rounded-md text-text-3 hover:text-text-1"
            >
              <Icon name="close" size={18} />
            </button>
          )}
        </div>
        <Button
          icon={icons.filter}
          aria-expanded={panel}
          aria-controls="filters"
          aria-label={filters ? t`Filters, ${filters} in force` : t`Filters`}
          onClick={() => setPanel(!panel)}
          className="h-13! lg:hidden"
        >
          <span className="max-sm:sr-only">
            <Trans>Filters</Trans>
          </span>
          {filters > 0 && <span className="tabular">{filters}</span>}
        </Button>
      </form>

      <div className="mt-6 gap-10 lg:grid lg:grid-cols-[15rem_minmax(0,1fr)] 3xl:grid-cols-[18rem_minmax(0,1fr)]">
        <aside id="filters" aria-label={t`Filters`} className={cx('max-lg:mb-6', !panel && 'max-lg:hidden')}>
          <FilterPanel facets={shown?.titles.facets} search={search} onChange={change} />
        </aside>
        <div className="min-w-0">
          <ActiveFilters facets={shown?.titles.facets} search={search} onChange={change} />
          <div role="status" className="mb-4 flex min-h-6 flex-wrap items-baseline gap-x-4 text-sm text-text-2">
            {shown && shown.titles.totalCount > 0 && (
              <Plural value={shown.titles.totalCount} one="# title" other="# titles" />
            )}
            {shown?.titles.suggestion && (
              <span>
                <Trans>
                  Did you mean{' '}
                  <button
                    type="button"
                    onClick={() => setText(shown.titles.suggestion ?? '')}
                    className="-my-3 rounded-sm py-3 font-medium text-accent-text underline-offset-4 hover:underline"
                  >
                    {shown.titles.suggestion}
                  </button>
                  ?
                </Trans>
              </span>
            )}
          </div>
          {error && !data && toFault(error).code === 'UNAVAILABLE' ? (
            <div role="status">
              <EmptyState
                icon="search"
                title={<Trans>Search does not work at the moment</Trans>}
                action={
                  <>
                    <Button variant="primary" onClick={() => again({ requestPolicy: 'network-only' })}>
                      <Trans>Try again</Trans>
                    </Button>
                    <ButtonLink to="/">
                      <Trans>Go home</Trans>
                    </ButtonLink>
                  </>
                }
              >
                <Trans>Films play as always, and the home page has most of them. The results appear here by themselves as soon as search is back.</Trans>
              </EmptyState>
            </div>
          ) : error && !data ? (
            <ErrorState
              title={<Trans>The search did not answer</Trans>}
              action={
                <Button variant="primary" onClick={() => again({ requestPolicy: 'network-only' })}>
                  <Trans>Try again</Trans>
                </Button>
              }
            >
              {words(error)}
            </ErrorState>
          ) : !shown ? (
            <div className={posterGrid}>
              {Array.from({ length: 18 }, (_, i) => (
                <TitleCardSkeleton key={i} />
              ))}
            </div>
          ) : (
            <div aria-busy={stale}>
              <People people={shown.people} />
              {shown.titles.edges.length > 0 ? (
                <>
                  <ul className={posterGrid}>
                    {shown.titles.edges.map((edge, index) => (
                      <li key={edge.node.id}>
                        <ResultCard edge={edge} query={q} rank={index + 1} />
                      </li>
                    ))}
                    {shown.titles.pageInfo.hasNextPage && (
                      <MoreResults
                        key={kept?.key}
                        query={q}
                        filter={toFilter(search)}
                        after={shown.titles.pageInfo.endCursor ?? null}
                        pageSize={pageSize}
                        offset={shown.titles.edges.length}
                      />
                    )}
                  </ul>
                </>
              ) : (
                <NoResults query={q} filters={filters} onClear={() => change({ q: search.q })} />
              )}
            </div>
          )}
        </div>
      </div>
    </main>
  );
}

function People({ people }: { people: SearchFirstQuery['people'] }) {
  const { t } = useLingui();
  if (!people?.edges.length) return null;
  return (
    <ul aria-label={t`People`} className="mb-6 flex flex-wrap gap-2">
      {people.edges.map(({ node }) => (
        <li key={node.id}>
          <Link
            to="/person/$id"
            params={{ id: node.id }}
            className="inline-flex h-11 items-center gap-2 rounded-full bg-surface-1 pr-4 pl-3 text-sm hover:bg-surface-2 pointer-fine:h-9"
          >
            <Icon name="user" size={16} className="text-text-3" />
            {node.name}
          </Link>
        </li>
      ))}
    </ul>
  );
}

function NoResults({ query, filters, onClear }: { query: string; filters: number; onClear: () => void }) {
  const { t } = useLingui();
  const [{ data }] = useQuery({ query: PopularInstead });
  return (
    <>
      <EmptyState
        className="pt-2 pb-4"
        title={query ? <Trans>Nothing for “{query}”</Trans> : <Trans>Nothing with these filters</Trans>}
        action={
          filters > 0 && (
            <Button variant="primary" onClick={onClear}>
              <Trans>Drop the filters</Trans>
            </Button>
          )
        }
      >
        {filters > 0 ? <Trans>Fewer filters would find more.</Trans> : <Trans>Try fewer letters, another spelling, or the name of an actor.</Trans>}
      </EmptyState>
      {data && present(data.popular).length > 0 && (
        <div className="-mx-4 md:-mx-6 xl:-mx-12">
          <TitleRow id="instead" heading={t`What others watch`} titles={present(data.popular).map((title) => ({ title }))} />
        </div>
      )}
    </>
  );
}
