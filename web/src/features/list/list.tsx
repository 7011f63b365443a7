import { Trans, useLingui } from '@lingui/react/macro';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import { useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { present } from '~/lib/present';
import { Button, ButtonLink } from '~/ui/button';
import { EmptyState, ErrorState } from '~/ui/states';
import { posterGrid, TitleCard, TitleCardSkeleton } from '~/ui/title-card';

const MyList = graphql(/* GraphQL */ `
  query MyList($locale: Locale) {
    myList(first: 200) { ...TitleCard }
  }
`);

export function ListPage() {
  const { t } = useLingui();
  const words = useFaultText();
  const [{ data, error }, again] = useQuery({ query: MyList, requestPolicy: 'cache-and-network' });
  usePageTitle(t`My list`);
  return (
    <main id="main" tabIndex={-1} className="gutter pt-24 pb-16" aria-busy={!data && !error}>
      <h1 className="mb-8 text-xl font-semibold tracking-tight">
        <Trans>My list</Trans>
      </h1>
      {data ? (
        present(data.myList).length > 0 ? (
          <ul className={posterGrid}>
            {present(data.myList).map((title) => (
              <li key={title.id}>
                <TitleCard title={title} from="list" />
              </li>
            ))}
          </ul>
        ) : (
          <EmptyState
            icon="plus"
            title={<Trans>Your list is empty</Trans>}
            action={
              <ButtonLink to="/search" search={{}} variant="primary">
                <Trans>Find something</Trans>
              </ButtonLink>
            }
          >
            <Trans>Press “My list” on a film or a series to keep it here for later.</Trans>
          </EmptyState>
        )
      ) : error ? (
        <ErrorState
          title={<Trans>Your list could not be loaded</Trans>}
          action={
            <Button variant="primary" onClick={() => again({ requestPolicy: 'network-only' })}>
              <Trans>Try again</Trans>
            </Button>
          }
        >
          {words(error)}
        </ErrorState>
      ) : (
        <div className={posterGrid}>
          {Array.from({ length: 12 }, (_, i) => (
            <TitleCardSkeleton key={i} />
          ))}
        </div>
      )}
    </main>
  );
}
