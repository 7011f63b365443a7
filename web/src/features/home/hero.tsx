import { Trans, useLingui } from '@lingui/react/macro';
import { graphql } from '~/gql/gql';
import type { HeroFragment } from '~/gql/graphql';
import { clock } from '~/lib/format';
import { ButtonLink } from '~/ui/button';
import { Skeleton } from '~/ui/skeleton';
import { Still } from '~/ui/still';

export const HeroFields = graphql(/* GraphQL */ `
  fragment Hero on Title {
    id
    name(locale: $locale)
    tagline(locale: $locale)
    description(locale: $locale)
    year
    genres { id name(locale: $locale) }
    still { colour placeholder w640: url(width: 640) w1280: url(width: 1280) w1920: url(width: 1920) }
    ... on Film { durationMs watchState { positionMs finished } playback { durationMs } }
  }
`);

export function Hero({ title }: { title: HeroFragment }) {
  const { t } = useLingui();
  const film = title.__typename === 'Film' ? title : null;
  const position = film?.watchState && !film.watchState.finished ? film.watchState.positionMs : 0;
  const line = title.tagline || title.description;
  return (
    <section aria-label={t`Featured today`} data-theme="dark" className="relative bg-surface-0 pb-6 text-text-1 md:pb-0">
      {/* The words must be read on any picture; on a phone they begin at its lower edge. */}
      <Still
        image={title.still}
        className="max-h-[68dvh] min-h-72"
        veil="bg-[linear-gradient(to_top,var(--surface-0)_0%,transparent_55%),linear-gradient(to_right,color-mix(in_srgb,var(--surface-0)_70%,transparent)_0%,transparent_60%)] max-md:bg-[linear-gradient(to_top,var(--surface-0)_0%,color-mix(in_srgb,var(--surface-0)_72%,transparent)_22%,transparent_60%)]"
      />
      <div className="gutter relative -mt-14 flex flex-col gap-3 md:absolute md:inset-x-0 md:bottom-4 md:mt-0 md:gap-4">
        <h2 className="max-w-[18ch] text-2xl font-bold tracking-tight text-balance">{title.name}</h2>
        <p className="text-sm text-text-2">
          {[title.year, title.__typename === 'Series' ? t`Series` : null, ...title.genres.slice(0, 3).map((g) => g.name)].filter(Boolean).join(' · ')}
        </p>
        {line && <p className="line-clamp-2 max-w-xl text-sm text-text-1 md:text-base">{line}</p>}
        <div className="mt-1 flex flex-wrap gap-3">
          {film?.playback && (
            <ButtonLink to="/watch/$playableId" params={{ playableId: title.id }} variant="primary" size="lg" icon="play">
              {position > 0 ? <Trans>Resume at {clock(position)}</Trans> : <Trans>Play</Trans>}
            </ButtonLink>
          )}
          <ButtonLink to="/title/$id" params={{ id: title.id }} state={(now) => ({ ...now, from: 'row' as const })} size="lg" variant={film?.playback ? 'secondary' : 'primary'}>
            <Trans>More</Trans>
          </ButtonLink>
        </div>
      </div>
    </section>
  );
}

export const HeroSkeleton = () => (
  <div aria-hidden className="relative">
    <Skeleton className="aspect-video max-h-[68dvh] min-h-72 w-full rounded-none" />
    <div className="gutter relative -mt-14 flex flex-col gap-4 md:absolute md:inset-x-0 md:bottom-4 md:mt-0">
      <Skeleton className="h-10 w-72 max-w-full bg-surface-3" />
      <Skeleton className="h-4 w-96 max-w-full bg-surface-3" />
      <Skeleton className="h-12 w-56 bg-surface-3" />
    </div>
  </div>
);
