import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { useQuery } from 'urql';
import { useState } from 'react';
import { graphql } from '~/gql/gql';
import { useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { Button, ButtonLink } from '~/ui/button';
import { Skeleton } from '~/ui/skeleton';
import { EmptyState, ErrorState } from '~/ui/states';
import { posterGrid, TitleCard, TitleCardSkeleton } from '~/ui/title-card';

const PersonPageDocument = graphql(/* GraphQL */ `
  query PersonPage($id: ID!, $after: String, $locale: Locale) {
    person(id: $id) {
      id
      name(locale: $locale)
      titles(first: 48, after: $after) {
        totalCount
        edges { cursor node { ...TitleCard } }
        pageInfo { endCursor hasNextPage }
      }
    }
  }
`);

export function PersonPage({ id }: { id: string }) {
  const { t } = useLingui();
  const words = useFaultText();
  const [{ data, error }, again] = useQuery({ query: PersonPageDocument, variables: { id, after: null } });
  const person = data?.person;
  usePageTitle(person?.name ?? (data ? t`Not found` : undefined));
  return (
    <main id="main" tabIndex={-1} className="gutter pt-24 pb-16" aria-busy={!data && !error}>
      {person ? (
        <>
          <h1 className="text-2xl font-bold tracking-tight">{person.name}</h1>
          <p className="mt-2 mb-8 text-sm text-text-2">
            <Plural value={person.titles.totalCount} one="# title" other="# titles" />
          </p>
          {person.titles.edges.length > 0 ? (
            <ul className={posterGrid}>
              {person.titles.edges.map(({ node }) => (
                <li key={node.id}>
                  <TitleCard title={node} from="person" />
                </li>
              ))}
              {person.titles.pageInfo.hasNextPage && <More id={id} after={person.titles.pageInfo.endCursor ?? null} />}
            </ul>
          ) : (
            <EmptyState title={<Trans>Nothing to watch with them now</Trans>}>
              <Trans>Their titles may be in preparation or not for this profile.</Trans>
            </EmptyState>
          )}
        </>
      ) : data ? (
        <EmptyState
          heading="h1"
          icon="user"
          title={<Trans>This person is not here</Trans>}
          action={
            <ButtonLink to="/search" search={{}} variant="primary">
              <Trans>Search the catalogue</Trans>
            </ButtonLink>
          }
        />
      ) : error ? (
        <ErrorState
          heading="h1"
          title={<Trans>The page could not be loaded</Trans>}
          action={
            <Button variant="primary" onClick={() => again({ requestPolicy: 'network-only' })}>
              <Trans>Try again</Trans>
            </Button>
          }
        >
          {words(error)}
        </ErrorState>
      ) : (
        <>
          <Skeleton className="h-10 w-80 max-w-full" />
          <Skeleton className="mt-3 mb-8 h-4 w-24" />
          <div className={posterGrid}>
            {Array.from({ length: 10 }, (_, i) => (
              <TitleCardSkeleton key={i} />
            ))}
          </div>
        </>
      )}
    </main>
  );
}

function More({ id, after }: { id: string; after: string | null }) {
  const [asked, setAsked] = useState(false);
  const [{ data }] = useQuery({ query: PersonPageDocument, variables: { id, after }, pause: !asked });
  const titles = data?.person?.titles;
  if (!titles) {
    return (
      <li className="col-span-full">
        <Button busy={asked} onClick={() => setAsked(true)}>
          <Trans>Show more</Trans>
        </Button>
      </li>
    );
  }
  return (
    <>
      {titles.edges.map(({ node }) => (
        <li key={node.id}>
          <TitleCard title={node} from="person" />
        </li>
      ))}
      {titles.pageInfo.hasNextPage && <More id={id} after={titles.pageInfo.endCursor ?? null} />}
    </>
  );
}
