import { Trans, useLingui } from '@lingui/react/macro';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { graphql } from '~/gql/gql';
import type { EpisodeLineFragment } from '~/gql/graphql';
import { clock, length } from '~/lib/format';
import { Icon } from '~/ui/icon';
import { WatchBar } from '~/ui/progress';

export const EpisodeLineFields = graphql(/* GraphQL */ `
  fragment EpisodeLine on Episode {
    id
    number
    seasonNumber
    name(locale: $locale)
    description(locale: $locale)
    durationMs
    watchState { positionMs durationMs finished lastSeenAt }
    playback { durationMs }
  }
`);

interface Season {
  id: string;
  number: number;
  episodes: readonly EpisodeLineFragment[];
}

/** Where to go on: the one begun last, else the one after the last seen, else the first that can be played. */
export function startEpisode(seasons: readonly Season[]): EpisodeLineFragment | null {
  // Specials (season 0) are nobody's beginning.
  const ordered = [...seasons].sort((a, b) => (a.number || Infinity) - (b.number || Infinity));
  const episodes = ordered.flatMap((s) => s.episodes).filter((e) => e.playback);
  const seen = episodes.filter((e) => e.watchState).sort((a, b) => (a.watchState!.lastSeenAt < b.watchState!.lastSeenAt ? 1 : -1))[0];
  if (!seen) return episodes[0] ?? null;
  if (!seen.watchState?.finished) return seen;
  return episodes[episodes.indexOf(seen) + 1] ?? episodes[0] ?? null;
}

export function Seasons({ seasons }: { seasons: readonly Season[] }) {
  const { t } = useLingui();
  const [chosen, setChosen] = useState(() => startEpisode(seasons)?.seasonNumber ?? seasons[0]?.number);
  const season = seasons.find((s) => s.number === chosen) ?? seasons[0];
  const name = (number: number) => (number === 0 ? t`Specials` : t`Season ${number}`);
  if (!season) {
    return (
      <p className="gutter pt-10 text-sm text-text-2">
        <Trans>There are no episodes yet.</Trans>
      </p>
    );
  }
  return (
    <section className="gutter pt-10">
      <h2 className="text-lg font-semibold tracking-tight">
        <Trans>Episodes</Trans>
      </h2>
      {seasons.length > 1 ? (
        <div role="group" aria-label={t`Seasons`} className="mt-3 mb-2 flex gap-1 overflow-x-auto [scrollbar-width:none]">
          {seasons.map((s) => (
            <button
              key={s.id}
              type="button"
              aria-pressed={s === season}
              onClick={() => setChosen(s.number)}
              className="h-11 rounded-md px-4 text-sm font-medium whitespace-nowrap text-text-2 hover:text-text-1 aria-pressed:bg-surface-2 aria-pressed:text-text-1"
            >
              {name(s.number)}
            </button>
          ))}
        </div>
      ) : (
        <p className="mt-1 mb-2 text-sm text-text-3">{name(season.number)}</p>
      )}
      <ol className="max-w-4xl">
        {season.episodes.map((episode) => (
          <li key={episode.id} className="border-b border-line last:border-0">
            <EpisodeLine episode={episode} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function EpisodeLine({ episode }: { episode: EpisodeLineFragment }) {
  const { t, i18n } = useLingui();
  const { watchState } = episode;
  const begun = watchState && !watchState.finished && watchState.positionMs > 0 ? watchState : null;
  const body = (
    <>
      <span className="tabular w-8 shrink-0 pt-0.5 text-right text-text-3" aria-label={t`Episode ${episode.number}`}>
        {episode.number}
      </span>
      <span className="min-w-0 flex-1">
        <span className="flex items-baseline gap-4">
          <span className="min-w-0 flex-1 font-medium">{episode.name}</span>
          <span className="tabular shrink-0 text-sm text-text-3">{episode.durationMs ? length(episode.durationMs, i18n.locale) : null}</span>
        </span>
        {episode.description && <span className="mt-1 line-clamp-2 text-sm text-text-2">{episode.description}</span>}
        {begun && (
          <span className="mt-2 block max-w-48 rounded-full bg-surface-3">
            <WatchBar fraction={begun.positionMs / Math.max(1, begun.durationMs)} label={t`Watched to ${clock(begun.positionMs)}`} />
          </span>
        )}
        {watchState?.finished && (
          <span className="mt-1 inline-flex items-center gap-1 text-xs text-text-3">
            <Icon name="check" size={14} />
            <Trans>Seen</Trans>
          </span>
        )}
        {!episode.playback && (
          <span className="mt-1 block text-xs text-text-3">
            <Trans>Being prepared</Trans>
          </span>
        )}
      </span>
    </>
  );
  const look = 'flex min-h-14 items-start gap-4 rounded-md px-2 py-4 -mx-2';
  return episode.playback ? (
    <Link to="/watch/$playableId" params={{ playableId: episode.id }} className={`${look} transition-colors hover:bg-surface-1`}>
      {body}
      <Icon name="play" size={20} className="mt-0.5 shrink-0 text-text-3" />
    </Link>
  ) : (
    <div className={`${look} opacity-70`}>{body}</div>
  );
}
