import { Trans, useLingui } from '@lingui/react/macro';
import { usePageTitle } from '~/lib/page';
import { ButtonLink } from '~/ui/button';
import { EmptyState } from '~/ui/states';

export function NotFound() {
  const { t } = useLingui();
  usePageTitle(t`Page not found`);
  return (
    <main id="main" tabIndex={-1} className="gutter mx-auto max-w-3xl py-16">
      <EmptyState
          heading="h1"
        icon="film"
        title={<Trans>There is nothing at this address</Trans>}
        action={
          <>
            <ButtonLink to="/" variant="primary">
              <Trans>Go home</Trans>
            </ButtonLink>
            <ButtonLink to="/search" search={{}} icon="search">
              <Trans>Search</Trans>
            </ButtonLink>
          </>
        }
      >
        <Trans>The link may be old, or the title may have left the catalogue.</Trans>
      </EmptyState>
    </main>
  );
}
