import { Trans, useLingui } from '@lingui/react/macro';
import { useEffect, useRef } from 'react';
import { useQuery } from 'urql';
import { graphql } from '~/gql/gql';

const ChangesDocument = graphql(/* GraphQL */ `
  query AdminChanges($id: ID!) {
    titleRecord(id: $id) { id changes(first: 20) { at version fields user { id name } } }
  }
`);

/** Who changed what, the newest first. */
export function Changes({ id, version }: { id: string; version: number }) {
  const { t, i18n } = useLingui();
  const [{ data, error }, again] = useQuery({ query: ChangesDocument, variables: { id }, requestPolicy: 'cache-and-network' });
  const shown = useRef(version);
  useEffect(() => {
    if (shown.current === version) return;
    shown.current = version;
    again({ requestPolicy: 'network-only' });
  }, [version, again]);
  const changes = data?.titleRecord?.changes ?? [];
  const fieldName: Record<string, string> = {
    originalName: t`original name`,
    originalLanguage: t`original language`,
    translations: t`words`,
    year: t`year`,
    endYear: t`last year`,
    durationMs: t`length`,
    ageRating: t`age rating`,
    countries: t`countries`,
    genres: t`genres`,
    genreIds: t`genres`,
    credits: t`credits`,
    status: t`state`,
    poster: t`poster`,
    still: t`still`,
    source: t`film`,
    episodes: t`episodes`,
    created: t`made`,
  };
  if (changes.length === 0 && !error) return null;
  return (
    <section aria-labelledby="changes">
      <h2 id="changes" className="mb-2 text-sm font-medium text-text-2">
        <Trans>Changes</Trans>
      </h2>
      {changes.length === 0 && error ? (
        <p className="text-sm text-text-3">
          <Trans>The list of changes could not be loaded.</Trans>
        </p>
      ) : (
        <ol className="flex flex-col gap-2 border-l border-line pl-3 text-sm">
          {changes.map((change) => (
            <li key={`${change.version} ${change.at}`}>
              <span className="text-text-1">{change.fields.map((f) => fieldName[f] ?? f).join(', ') || t`saved`}</span>
              <span className="block text-xs text-text-3 tabular">
                {change.user?.name ?? t`the program`} ·{' '}
                <time dateTime={change.at}>{new Date(change.at).toLocaleString(i18n.locale, { dateStyle: 'medium', timeStyle: 'short' })}</time>
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
