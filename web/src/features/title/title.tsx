import { Trans, useLingui } from '@lingui/react/macro';
import { Link, useLocation } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { SetListedMutation, SimilarReason, TitlePageQuery } from '~/gql/graphql';
import { record } from '~/lib/events/record';
import { useFaultText } from '~/lib/faults';
import { clock, countryName, languageName, length } from '~/lib/format';
import { usePageTitle } from '~/lib/page';
import { Button, ButtonLink } from '~/ui/button';
import { Picture } from '~/ui/picture';
import { WatchBar } from '~/ui/progress';
import { Skeleton } from '~/ui/skeleton';
import { Still } from '~/ui/still';
import { EmptyState, ErrorState } from '~/ui/states';
import { TitleRow } from '~/ui/title-row';
import { toast } from '~/ui/toast';
import { Cast } from './cast';
import { Rating } from './rating';
import { Seasons, startEpisode } from './seasons';

const TitlePageDocument = graphql(/* GraphQL */ `
  query TitlePage($id: ID!, $locale: Locale) {
    title(id: $id) {
      id
      name(locale: $locale)
      originalName
      originalLanguage
      tagline(locale: $locale)
      description(locale: $locale)
      year
      ageRating
      countries
      listed
      myRating
      genres { id name(locale: $locale) }
      poster { colour placeholder w200: url(width: 200) w400: url(width: 400) w800: url(width: 800) }
      still { colour placeholder w640: url(width: 640) w1280: url(width: 1280) w1920: url(width: 1920) }
      credits(first: 40) { kind character(locale: $locale) person { id name(locale: $locale) } }
      similar(first: 16) {
        reason
        genre { id name(locale: $locale) }
        person { id name(locale: $locale) }
        title { ...TitleCard }
      }
      ... on Film {
        durationMs
        watchState { positionMs durationMs finished }
        playback { durationMs complete }
      }
      ... on Series {
        endYear
        seasons { id number episodes { ...EpisodeLine } }
      }
    }
  }
`);

const SetListed = graphql(/* GraphQL */ `
  mutation SetListed($input: SetListedInput!) {
    setListed(input: $input) { title { id listed } }
  }
`);

type Title = NonNullable<TitlePageQuery['title']>;

export function TitlePage({ id }: { id: string }) {
  const { t } = useLingui();
  const words = useFaultText();
  const from = useLocation({ select: (l) => l.state.from });
  const [{ data, error }, again] = useQuery({ query: TitlePageDocument, variables: { id }, requestPolicy: 'cache-and-network' });
  const title = data?.title;
  usePageTitle(title?.name ?? (data ? t`Not found` : undefined));

  const known = title?.id;
  useEffect(() => {
    if (known) record({ name: 'TITLE_OPENED', titleId: known, from: from ?? 'link' });
    // Once for each opening, wherever it came from.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [known]);

  if (title) return <TitleView title={title} />;
  return (
    <main id="main" tabIndex={-1} className={data || error ? 'gutter pt-24' : ''} aria-busy={!data && !error}>
      {data ? (
        <EmptyState
          heading="h1"
          icon="film"
          title={<Trans>This title is not here</Trans>}
          action={
            <ButtonLink to="/search" search={{}} variant="primary">
              <Trans>Search the catalogue</Trans>
            </ButtonLink>
          }
        >
          <Trans>It may have left the catalogue, or it is not for this profile.</Trans>
        </EmptyState>
      ) : error ? (
        <ErrorState
          heading="h1"
          title={<Trans>The title could not be loaded</Trans>}
          action={
            <Button variant="primary" onClick={() => again({ requestPolicy: 'network-only' })}>
              <Trans>Try again</Trans>
            </Button>
          }
        >
          {words(error)}
        </ErrorState>
      ) : (
        <TitleSkeleton />
      )}
    </main>
  );
}

const TitleSkeleton = () => (
  <div aria-hidden>
    <Skeleton className="aspect-video max-h-[58dvh] w-full rounded-none" />
    <div className="gutter -mt-16 flex gap-8 lg:-mt-40">
      <Skeleton className="hidden aspect-[2/3] w-56 shrink-0 bg-surface-3 lg:block" />
      <div className="relative flex flex-1 flex-col gap-4">
        <Skeleton className="h-11 w-2/3 max-w-md bg-surface-3" />
        <Skeleton className="h-4 w-1/2 max-w-80 bg-surface-3" />
        <Skeleton className="h-12 w-64 bg-surface-3" />
        <Skeleton className="h-24 w-full max-w-2xl" />
      </div>
    </div>
  </div>
);

function TitleView({ title }: { title: Title }) {
  const { t, i18n } = useLingui();
  const reason = useReason();
  const { still, poster } = title;
  const isSeries = title.__typename === 'Series';
  const facts = [
    isSeries ? [title.year, title.endYear && title.endYear !== title.year ? title.endYear : null].filter(Boolean).join('–') : title.year,
    !isSeries && title.durationMs ? length(title.durationMs, i18n.locale) : null,
    isSeries && title.seasons.length > 0 ? t`Series` : null,
  ].filter(Boolean);
  const directors = title.credits.filter((c) => c.kind === 'DIRECTOR');
  const writers = title.credits.filter((c) => c.kind === 'WRITER');
  const actors = title.credits.filter((c) => c.kind === 'ACTOR');

  return (
    <main id="main" tabIndex={-1} className="pb-16">
      <Still
        image={still}
        className="max-h-[58dvh] min-h-56"
        veil="bg-[linear-gradient(to_top,var(--surface-0)_0%,color-mix(in_srgb,var(--surface-0)_var(--veil),transparent)_55%,color-mix(in_srgb,var(--surface-0)_var(--veil),transparent)_100%)]"
      />

      <div className="gutter relative -mt-16 flex gap-8 lg:-mt-44 xl:gap-12">
        <div className="hidden w-56 shrink-0 lg:block xl:w-64 3xl:w-80">
          <Picture
            image={poster}
            sources={[[poster?.w200, 200], [poster?.w400, 400], [poster?.w800, 800]]}
            sizes="(width >= 120rem) 320px, 256px"
            ratio="2/3"
            alt={t`Poster of “${title.name}”`}
            instead={title.name}
            priority
            className="rounded-md"
          />
        </div>
        <div className="min-w-0 flex-1">
          <h1 className="max-w-[22ch] text-2xl font-bold tracking-tight text-balance">{title.name}</h1>
          {title.originalName !== title.name && (
            <p lang={title.originalLanguage ?? undefined} className="mt-2 text-sm text-text-2">
              {title.originalName}
            </p>
          )}
          <p className="mt-3 flex flex-wrap items-center gap-x-2 gap-y-1 text-sm text-text-2">
            {facts.map((fact, i) => (
              <span key={i} className="after:ml-2 after:content-['·'] last:after:hidden">
                {fact}
              </span>
            ))}
            {title.ageRating !== null && (
              <span className="rounded-sm border border-line-strong px-1.5 text-xs leading-5" aria-label={t`For ages ${title.ageRating} and up`}>
                {title.ageRating}+
              </span>
            )}
            {title.genres.map((genre) => (
              <Link
                key={genre.id}
                to="/search"
                search={{ genre: [genre.id] }}
                className="-my-2 inline-flex min-h-11 items-center rounded-sm px-1 underline-offset-4 hover:text-text-1 hover:underline pointer-fine:min-h-8"
              >
                {genre.name}
              </Link>
            ))}
          </p>

          <Actions title={title} />

          {title.tagline && <p className="mt-8 max-w-2xl text-lg text-text-1">{title.tagline}</p>}
          {title.description && <p className="mt-4 max-w-2xl leading-7 whitespace-pre-line text-text-2">{title.description}</p>}

          <dl className="mt-6 grid max-w-2xl gap-x-8 gap-y-2 text-sm sm:grid-cols-[auto_1fr]">
            <Credits label={t`Director`} credits={directors} />
            <Credits label={t`Writer`} credits={writers} />
            {title.countries.length > 0 && (
              <>
                <dt className="text-text-3">{t`Country`}</dt>
                <dd className="mb-2 text-text-2 sm:mb-0">{title.countries.map((c) => countryName(c, i18n.locale)).join(', ')}</dd>
              </>
            )}
            {title.originalLanguage && (
              <>
                <dt className="text-text-3">{t`Original language`}</dt>
                <dd className="text-text-2">{languageName(title.originalLanguage, i18n.locale)}</dd>
              </>
            )}
          </dl>
        </div>
      </div>

      {isSeries && <Seasons seasons={title.seasons} />}
      {actors.length > 0 && <Cast credits={actors} />}
      {title.similar.length > 0 && (
        <TitleRow
          id={`similar ${title.id}`}
          heading={t`Similar`}
          from="similar"
          titles={title.similar.map((s) => ({ title: s.title, note: reason(s.reason, s.genre?.name, s.person?.name) }))}
        />
      )}
    </main>
  );
}

/** What a similar title has in common with this one, in words. */
function useReason(): (kind: SimilarReason, genre: string | undefined, person: string | undefined) => string {
  const { t } = useLingui();
  return (kind, genre, person) => {
    switch (kind) {
      case 'SAME_GENRE':
        return genre ?? t`Same genre`;
      case 'SAME_ACTOR':
        return person ? t`With ${person}` : t`Same actor`;
      case 'SAME_DIRECTOR':
        return person ? t`By ${person}` : t`Same director`;
    }
  };
}

function Credits({ label, credits }: { label: string; credits: Title['credits'] }) {
  if (credits.length === 0) return null;
  return (
    <>
      <dt className="text-text-3">{label}</dt>
      <dd className="mb-2 sm:mb-0">
        {credits.map((credit, i) => (
          <span key={credit.person.id}>
            {i > 0 && ', '}
            <Link to="/person/$id" params={{ id: credit.person.id }} className="text-text-1 underline-offset-4 hover:underline">
              {credit.person.name}
            </Link>
          </span>
        ))}
      </dd>
    </>
  );
}

function Actions({ title }: { title: Title }) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const [, setListed] = useMutation(SetListed);
  const episode = title.__typename === 'Series' ? startEpisode(title.seasons) : null;
  const film = title.__typename === 'Film' ? title : null;
  const state = film?.watchState && !film.watchState.finished ? film.watchState : (episode?.watchState ?? null);
  const position = state?.positionMs ?? 0;
  const playableId = film ? (film.playback ? film.id : null) : (episode?.id ?? null);

  const list = async (listed: boolean) => {
    const result: { data?: SetListedMutation; error?: unknown } = await setListed({ input: { titleId: title.id, listed } });
    if (result.error) {
      toast(words(result.error), { tone: 'danger' });
      return;
    }
    record({ name: 'LISTED', titleId: title.id, on: listed });
    toast(listed ? t`On your list.` : t`Off your list.`, { action: { label: t`Undo`, onPress: () => void list(!listed) } });
  };

  return (
    <>
      <div className="mt-6 flex flex-wrap items-center gap-3">
        {playableId ? (
          <ButtonLink to="/watch/$playableId" params={{ playableId }} variant="primary" size="lg" icon="play">
            {episode ? (
              position > 0 ? (
                <Trans>
                  Resume S{episode.seasonNumber} E{episode.number} at {clock(position)}
                </Trans>
              ) : (
                <Trans>
                  Play S{episode.seasonNumber} E{episode.number}
                </Trans>
              )
            ) : position > 0 ? (
              <Trans>Resume at {clock(position)}</Trans>
            ) : (
              <Trans>Play</Trans>
            )}
          </ButtonLink>
        ) : (
          <span className="inline-flex h-12 items-center text-sm text-text-2">
            <Trans>It cannot be watched yet: the film is being prepared.</Trans>
          </span>
        )}
        <Button size="lg" icon={title.listed ? 'check' : 'plus'} aria-pressed={title.listed} onClick={() => void list(!title.listed)}>
          <Trans>My list</Trans>
        </Button>
        <Rating titleId={title.id} value={title.myRating} />
      </div>
      {state && position > 0 && (
        <div className="mt-4 flex max-w-80 items-center gap-3">
          <div className="flex-1 rounded-full bg-surface-3">
            <WatchBar fraction={position / Math.max(1, state.durationMs)} label={t`How far you are`} />
          </div>
          <span className="tabular text-xs text-text-3">
            <Trans>{length(Math.max(0, state.durationMs - position), i18n.locale)} left</Trans>
          </span>
        </div>
      )}
    </>
  );
}
