import { Trans, useLingui } from '@lingui/react/macro';
import { useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { Button, ButtonLink } from '~/ui/button';
import { ErrorState } from '~/ui/states';

/** What a route shows when it broke; the rest of the app goes on. */
export function RouteError({ error, reset }: ErrorComponentProps) {
  const { t } = useLingui();
  const words = useFaultText();
  const router = useRouter();
  usePageTitle(t`Something went wrong`);
  return (
    <main id="main" tabIndex={-1} className="gutter mx-auto max-w-3xl py-16">
      <ErrorState
          heading="h1"
        title={<Trans>This page could not be shown</Trans>}
        action={
          <>
            <Button
              variant="primary"
              onClick={() => {
                reset();
                void router.invalidate();
              }}
            >
              <Trans>Try again</Trans>
            </Button>
            <ButtonLink to="/">
              <Trans>Go home</Trans>
            </ButtonLink>
          </>
        }
      >
        {words(error)}
      </ErrorState>
    </main>
  );
}
