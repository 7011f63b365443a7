import { Trans, useLingui } from '@lingui/react/macro';
import { useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import { record } from '~/lib/events/record';
import { useFaultText } from '~/lib/faults';
import { buttonClass } from '~/ui/button';
import { Icon } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { LazyMenu } from '~/ui/lazy-menu';
import { toast } from '~/ui/toast';

const SetRating = graphql(/* GraphQL */ `
  mutation SetRating($input: SetRatingInput!) {
    setRating(input: $input) { title { id myRating } }
  }
`);

/** One to ten, or none. */
export function Rating({ titleId, value }: { titleId: string; value: number | null | undefined }) {
  const { t } = useLingui();
  const words = useFaultText();
  const [, setRating] = useMutation(SetRating);
  const rate = async (rating: number | null) => {
    const { error } = await setRating({ input: { titleId, rating } });
    if (error) toast(words(error), { tone: 'danger' });
    else if (rating !== null) record({ name: 'RATED', titleId, rating });
  };
  return (
    <LazyMenu
      label={value ? t`Your rating: ${value} of 10` : t`Rate it`}
      className={buttonClass({ size: 'lg' })}
      align="start"
      face={
        <>
          <Icon name={value ? icons.starFull : icons.star} size={22} className={value ? 'text-accent-text' : undefined} />
          {value ? (
            <span className="tabular">
              {value}
              <span className="text-text-3">/10</span>
            </span>
          ) : (
            <Trans>Rate</Trans>
          )}
        </>
      }
    >
      {({ MenuChoice, MenuItem, MenuSeparator }) => (
        <>
          <MenuChoice
            value={String(value ?? '')}
            onChange={(next) => void rate(Number(next))}
            options={[10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map((n) => ({
              value: String(n),
              label: <span className="tabular">{n}</span>,
            }))}
          />
          {value && (
            <>
              <MenuSeparator />
              <MenuItem icon="close" onSelect={() => void rate(null)}>
                <Trans>Take the rating back</Trans>
              </MenuItem>
            </>
          )}
        </>
      )}
    </LazyMenu>
  );
}
