import { Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useClient, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { WatchPageQuery } from '~/gql/graphql';
import { useFaultText } from '~/lib/faults';
import { usePageTitle } from '~/lib/page';
import { useStore } from '~/lib/store';
import { Button, ButtonLink } from '~/ui/button';
import { icons } from '~/ui/more-icons';
import { EmptyState, ErrorState } from '~/ui/states';
import { warmEngine } from './engine';
import { Kept } from './kept';
import type { Player } from './player';
import { PlayerView } from './player-view';
import { useWatchSession } from './watch-session';

const WatchPageDocument = graphql(/* GraphQL */ `
  query WatchPage($id: ID!, $locale: Locale) {
    playable(id: $id) {
      id
      name(locale: $locale)
      watchState { positionMs durationMs finished lastSeenAt }
      playback { ...PlaybackSource }
      ... on Film { still { w1280: url(width: 1280) colour placeholder } }
      ... on Episode {
        number
        seasonNumber
        series {
          id
          name(locale: $locale)
          seasons {
            id
            number
            episodes { id number seasonNumber name(locale: $locale) playback { durationMs } }
          }
        }
      }
    }
  }
`);

export const PlaybackSource = graphql(/* GraphQL */ `
  fragment PlaybackSource on Playback {
    url
    durationMs
    expiresAt
    complete
    thumbnailsUrl
    subtitles { label locale url }
  }
`);

const RenewPlayback = graphql(/* GraphQL */ `
  query RenewPlayback($id: ID!) {
    playable(id: $id) { id playback { ...PlaybackSource } }
  }
`);

type Playable = NonNullable<WatchPageQuery['playable']>;
type Episode = Extract<Playable, { __typename?: 'Episode' }>;
type ListedEpisode = Episode['series']['seasons'][number]['episodes'][number];

export function WatchPage({ id }: { id: string }) {
  useEffect(warmEngine, []);
  const { t } = useLingui();
  const words = useFaultText();
  // Signed addresses age: they are always asked for, never taken from memory.
  const [{ data, error, fetching, stale }, again] = useQuery({ query: WatchPageDocument, variables: { id }, requestPolicy: 'network-only' });
  // What the player began with stays, whatever later answers say of the same film.
  const [held, setHeld] = useState<Playable | null>(null);
  const playable = data?.playable;
  if (!held && playable?.playback && !fetching && !stale) setHeld(playable);
  usePageTitle(playable ? (playable.__typename === 'Episode' ? `${playable.series.name} · ${playable.name}` : playable.name) : undefined);

  if (held?.playback) return <Watch playable={held} playback={held.playback} />;
  if (error && !data) {
    return (
      <Frame>
        <ErrorState
          heading="h1"
          title={<Trans>The film could not be opened</Trans>}
          action={
            <>
              <Button variant="primary" onClick={() => again({ requestPolicy: 'network-only' })}>
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
      </Frame>
    );
  }
  if (data && !fetching) {
    return (
      <Frame>
        <EmptyState
          heading="h1"
          icon="film"
          title={playable ? <Trans>It cannot be watched yet</Trans> : <Trans>This film is not here</Trans>}
          action={
            <ButtonLink to="/" variant="primary">
              <Trans>Go home</Trans>
            </ButtonLink>
          }
        >
          {playable ? (
            <Trans>The film is being prepared. Come back in a while.</Trans>
          ) : (
            <Trans>It may have left the catalogue, or it is not for this profile.</Trans>
          )}
        </EmptyState>
      </Frame>
    );
  }
  return (
    <main id="main" tabIndex={-1} aria-busy className="fixed inset-0 grid place-items-center bg-black">
      <span className="sr-only">{t`The film is opening`}</span>
      <div aria-hidden className="size-12 animate-[spin_1s_linear_infinite,fade-in_200ms_ease-out_400ms_both] rounded-full border-[3px] border-white/25 border-t-white" />
    </main>
  );
}

const Frame = ({ children }: { children: React.ReactNode }) => (
  <main id="main" tabIndex={-1} className="gutter grid min-h-dvh place-items-center">
    <div>{children}</div>
  </main>
);

function Watch({ playable, playback }: { playable: Playable; playback: NonNullable<Playable['playback']> }) {
  const { t } = useLingui();
  const client = useClient();
  const navigate = useNavigate();
  const episode = playable.__typename === 'Episode' ? playable : null;
  const titleId = episode ? episode.series.id : playable.id;
  const startMs = playable.watchState && !playable.watchState.finished ? playable.watchState.positionMs : 0;
  const session = useWatchSession({ playableId: playable.id, titleId, durationMs: playback.durationMs });

  const nextEpisode = episode ? followingEpisode(episode) : null;
  const goNext = useCallback(() => {
    if (nextEpisode) void navigate({ to: '/watch/$playableId', params: { playableId: nextEpisode.id }, replace: true });
  }, [navigate, nextEpisode]);
  const leave = useCallback(() => void navigate({ to: '/title/$id', params: { id: titleId } }), [navigate, titleId]);
  const renewUrl = useCallback(async () => {
    const result = await client.query(RenewPlayback, { id: playable.id }, { requestPolicy: 'network-only' }).toPromise();
    if (result.error) throw result.error;
    return result.data?.playable?.playback?.url ?? null;
  }, [client, playable.id]);

  return (
    <main id="main" tabIndex={-1}>
      <PlayerView
        source={playback}
        startMs={startMs}
        resumeMs={session.resumeMs}
        title={episode ? episode.series.name : playable.name}
        subtitle={episode ? t`S${episode.seasonNumber} E${episode.number} · ${episode.name}` : undefined}
        posterUrl={playable.__typename === 'Film' ? playable.still?.w1280 : undefined}
        emit={session.emit}
        renewUrl={renewUrl}
        onLeave={leave}
        next={nextEpisode ? { label: t`Next: ${nextEpisode.name}`, onPress: goNext } : null}
        ending={(player) => (
          <>
            <Kept />
            <Ending player={player} next={nextEpisode} onNext={goNext} onLeave={leave} />
          </>
        )}
      />
    </main>
  );
}

function followingEpisode(episode: Episode): ListedEpisode | null {
  const all = episode.series.seasons.flatMap((season) => season.episodes);
  const at = all.findIndex((e) => e.id === episode.id);
  return at < 0 ? null : (all.slice(at + 1).find((e) => e.playback) ?? null);
}

/** Seconds before the next episode begins by itself. */
const countdown = 8;

function Ending({ player, next, onNext, onLeave }: { player: Player; next: ListedEpisode | null; onNext: () => void; onLeave: () => void }) {
  const ended = useStore(player.store, (s) => s.status === 'ended');
  if (!ended) return null;
  return <Ended player={player} next={next} onNext={onNext} onLeave={onLeave} />;
}

function Ended({ player, next, onNext, onLeave }: { player: Player; next: ListedEpisode | null; onNext: () => void; onLeave: () => void }) {
  const [left, setLeft] = useState(next ? countdown : 0);
  const [held, setHeld] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.querySelector<HTMLElement>('button')?.focus(), []);
  useEffect(() => {
    if (!next || held) return;
    if (left === 0) {
      onNext();
      return;
    }
    const timer = setTimeout(() => setLeft(left - 1), 1_000);
    return () => clearTimeout(timer);
  }, [next, held, left, onNext]);
  return (
    <div className="absolute inset-0 grid place-items-center bg-black/75 px-6">
      <div ref={box} className="flex max-w-lg flex-col items-start gap-2 text-white">
        {next ? (
          <>
            <p className="text-sm text-white/75">
              <Trans>
                Next: S{next.seasonNumber} E{next.number}
              </Trans>
            </p>
            <h2 className="text-xl font-semibold">{next.name}</h2>
            <div className="mt-4 flex flex-wrap gap-3">
              <Button variant="primary" size="lg" icon="play" onClick={onNext}>
                {held ? <Trans>Play</Trans> : <Trans>Play, in {left} s by itself</Trans>}
              </Button>
              {!held && (
                <Button size="lg" onClick={() => setHeld(true)}>
                  <Trans>Stay here</Trans>
                </Button>
              )}
              <Button size="lg" onClick={onLeave}>
                <Trans>Back to the title</Trans>
              </Button>
            </div>
          </>
        ) : (
          <>
            <h2 className="text-xl font-semibold">
              <Trans>The end</Trans>
            </h2>
            <div className="mt-4 flex flex-wrap gap-3">
              <Button variant="primary" size="lg" onClick={onLeave}>
                <Trans>Back to the title</Trans>
              </Button>
              <Button size="lg" icon={icons.restart} onClick={() => player.toggle()}>
                <Trans>Watch again</Trans>
              </Button>
            </div>
          </>
        )}
      </div>
    </div>
  );
}
