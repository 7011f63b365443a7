import { Trans } from '@lingui/react/macro';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { TitlePageQuery } from '~/gql/graphql';
import { Button } from '~/ui/button';

type Credit = NonNullable<TitlePageQuery['title']>['credits'][number];

const few = 12;

/** Who plays whom. */
export function Cast({ credits }: { credits: readonly Credit[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? credits : credits.slice(0, few);
  return (
    <section className="gutter pt-10">
      <h2 className="mb-4 text-lg font-semibold tracking-tight">
        <Trans>Cast</Trans>
      </h2>
      <ul className="grid grid-cols-2 gap-2 sm:grid-cols-3 sm:gap-3 lg:grid-cols-4 3xl:grid-cols-6">
        {shown.map((credit, i) => (
          <li key={`${credit.person.id} ${i}`}>
            <Link
              to="/person/$id"
              params={{ id: credit.person.id }}
              className="flex min-h-14 flex-col justify-center rounded-md bg-surface-1 px-4 py-2 transition-colors hover:bg-surface-2"
            >
              <span className="text-sm font-medium">{credit.person.name}</span>
              {credit.character && <span className="text-xs leading-5 text-text-3">{credit.character}</span>}
            </Link>
          </li>
        ))}
      </ul>
      {credits.length > shown.length && (
        <Button variant="ghost" className="mt-3" onClick={() => setAll(true)}>
          <Trans>Show all {credits.length}</Trans>
        </Button>
      )}
    </section>
  );
}
