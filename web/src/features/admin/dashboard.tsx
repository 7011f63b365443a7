import { plural } from '@lingui/core/macro';
import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useMemo, useState, type ReactNode } from 'react';
import { useQuery, useSubscription, type CombinedError } from 'urql';
import { graphql } from '~/gql/gql';
import { toFault, useFaultText } from '~/lib/faults';
import { clock } from '~/lib/format';
import { useDuration } from './amounts';
import { Avatar } from '~/ui/avatar';
import { Button } from '~/ui/button';
import { ToggleChip } from '~/ui/chip';
import { cx } from '~/ui/cx';
import { Checkbox } from '~/ui/field';
import { Icon } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { Skeleton } from '~/ui/skeleton';
import { Chart } from './chart';
import { Page } from './page';
import { periods, type DashboardSearch } from './search';
import { Thumb } from './thumb';

const Watching = graphql(/* GraphQL */ `
  subscription AdminWatchingNow($locale: Locale) {
    watchingNowChanged {
      id
      startedAt
      positionMs
      playing
      device { kind system browser }
      profile { id name colour }
      title { id name(locale: $locale) poster { url(width: 200) } }
      playable {
        id
        name(locale: $locale)
        durationMs
        ... on Episode { number seasonNumber }
      }
    }
  }
`);
const ByDay = graphql(/* GraphQL */ `
  query AdminActivity($from: Date!, $to: Date!, $demo: Boolean!) {
    activityByDay(from: $from, to: $to, demo: $demo) {
      day
      events
      activeProfiles
      views
      playablesViewed
      meanViewsPerPlayable
      watchedMs
      signUps
    }
  }
`);
const Top = graphql(/* GraphQL */ `
  query AdminTopTitles($from: Date!, $to: Date!, $demo: Boolean!, $locale: Locale) {
    topTitles(from: $from, to: $to, first: 10, demo: $demo) {
      views
      viewers
      watchedMs
      title { id name(locale: $locale) year poster { url(width: 200) } }
    }
  }
`);
const Quality = graphql(/* GraphQL */ `
  query AdminQuality($from: Date!, $to: Date!, $demo: Boolean!) {
    playbackQuality(from: $from, to: $to, demo: $demo) { plays firstFrameP50Ms firstFrameP95Ms rebufferRatio failures }
  }
`);
const Terms = graphql(/* GraphQL */ `
  query AdminSearchTerms($from: Date!, $to: Date!, $demo: Boolean!) {
    all: searchTerms(from: $from, to: $to, first: 12, demo: $demo) { query count meanResults }
    lost: searchTerms(from: $from, to: $to, first: 12, demo: $demo, withoutResults: true) { query count meanResults }
  }
`);

const dayMs = 86_400_000;
const day = (at: number) => new Date(at).toISOString().slice(0, 10);

/** The four questions: who is watching, what is watched, does it play well, what is looked for and not found. */
export function Dashboard({ search }: { search: DashboardSearch }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: '/admin' });
  const days = search.days ?? 30;
  const demo = search.demo ?? true;
  // Days are counted in UTC, the last one is today; the page keeps the one it was opened on.
  const [today] = useState(() => Date.now());
  const variables = useMemo(() => ({ from: day(today - (days - 1) * dayMs), to: day(today), demo }), [today, days, demo]);
  const set = (next: DashboardSearch) =>
    void navigate({ search: { ...(next.days && next.days !== 30 ? { days: next.days } : {}), ...(next.demo === false ? { demo: false } : {}) }, resetScroll: false });

  const [byDay, againByDay] = useQuery({ query: ByDay, variables, requestPolicy: 'cache-and-network' });
  const [top, againTop] = useQuery({ query: Top, variables, requestPolicy: 'cache-and-network' });
  const [quality, againQuality] = useQuery({ query: Quality, variables, requestPolicy: 'cache-and-network' });
  const [terms, againTerms] = useQuery({ query: Terms, variables, requestPolicy: 'cache-and-network' });
  const [watching] = useSubscription({ query: Watching });
  const parts = [byDay, top, quality, terms];
  const away = parts.every((p) => p.error && !p.data && toFault(p.error).code === 'UNAVAILABLE');

  return (
    <Page
      title={t`Dashboard`}
      actions={
        <div className="flex flex-wrap items-center gap-2">
          <Checkbox label={<Trans>Count the demo</Trans>} className="mr-2" checked={demo} onChange={(event) => set({ days, demo: event.target.checked })} />
          <span role="group" aria-label={t`Period`} className="flex gap-1.5">
            {periods.map((n) => (
              <ToggleChip key={n} pressed={days === n} onPress={() => set({ days: n, demo })}>
                {t`${plural(n, { one: '# day', other: '# days' })}`}
              </ToggleChip>
            ))}
          </span>
        </div>
      }
    >
      {away ? (
        <div role="status" className="mb-5 flex items-start gap-3 rounded-md border border-line bg-surface-1 p-4 text-sm">
          <Icon name="info" className="mt-0.5 text-text-3" />
          <div>
            <p className="font-medium">
              <Trans>Statistics are not available at the moment</Trans>
            </p>
            <p className="mt-1 max-w-prose text-text-2">
              <Trans>What people watch is recorded and waits until they are. Watching, titles, uploads and jobs work as always. A machine without AVX2 has no statistics.</Trans>
            </p>
            <Button
              size="sm"
              className="mt-3"
              onClick={() => {
                for (const again of [againByDay, againTop, againQuality, againTerms]) again({ requestPolicy: 'network-only' });
              }}
            >
              <Trans>Try again</Trans>
            </Button>
          </div>
        </div>
      ) : (
        <Figures byDay={byDay} quality={quality} days={days} againDay={() => againByDay({ requestPolicy: 'network-only' })} againQuality={() => againQuality({ requestPolicy: 'network-only' })} />
      )}
      <div className="grid gap-5 lg:grid-cols-2">
        <WatchingNow data={watching.data} error={watching.error} />
        {!away && (
          <>
            <Part title={t`Most watched`} part={top} again={() => againTop({ requestPolicy: 'network-only' })}>
              {(data) => <TopTitles rows={data.topTitles} />}
            </Part>
            <Activity part={byDay} days={days} again={() => againByDay({ requestPolicy: 'network-only' })} />
            <Part title={t`Looked for`} part={terms} again={() => againTerms({ requestPolicy: 'network-only' })}>
              {(data) => <TermList rows={data.all} empty={<Trans>Nobody searched in this period.</Trans>} />}
            </Part>
            <Part title={t`Looked for and not found`} part={terms} again={() => againTerms({ requestPolicy: 'network-only' })}>
              {(data) => <TermList rows={data.lost} empty={<Trans>Every search found something.</Trans>} lost />}
            </Part>
          </>
        )}
      </div>
    </Page>
  );
}

interface PartState<Data> {
  data?: Data;
  error?: CombinedError;
}

const card = 'min-w-0 rounded-md border border-line bg-surface-1 p-4';

/** A part of the dashboard that loads, fails and is asked again by itself. */
function Part<Data>({ title, part, again, children, className }: { title: string; part: PartState<Data>; again: () => void; children: (data: Data) => ReactNode; className?: string }) {
  return (
    <section aria-label={title} className={cx(card, className)}>
      <h2 className="mb-3 text-sm font-semibold">{title}</h2>
      <PartBody part={part} again={again}>
        {children}
      </PartBody>
    </section>
  );
}

function PartBody<Data>({ part, again, children, skeleton }: { part: PartState<Data>; again: () => void; children: (data: Data) => ReactNode; skeleton?: ReactNode }) {
  const words = useFaultText();
  if (part.data) return children(part.data);
  if (part.error) {
    return (
      <div role="alert" className="flex flex-wrap items-center gap-3 text-sm text-text-2">
        <span className="min-w-0 flex-1">
          {toFault(part.error).code === 'UNAVAILABLE' ? <Trans>Statistics are not available at the moment.</Trans> : words(part.error)}
        </span>
        <Button size="sm" onClick={again}>
          <Trans>Try again</Trans>
        </Button>
      </div>
    );
  }
  return (
    skeleton ?? (
      <div aria-hidden className="flex flex-col gap-2">
        {[1, 2, 3, 4, 5].map((n) => (
          <Skeleton key={n} className="h-9 w-full" />
        ))}
      </div>
    )
  );
}

interface Day {
  day: string;
  events: number;
  activeProfiles: number;
  views: number;
  meanViewsPerPlayable: number;
  watchedMs: number;
}

/** The answers at a glance, in six numbers. */
function Figures({ byDay, quality, days, againDay, againQuality }: {
  byDay: PartState<{ activityByDay: readonly Day[] }>;
  quality: PartState<{ playbackQuality: { plays: number; firstFrameP50Ms?: number | null; firstFrameP95Ms?: number | null; rebufferRatio: number; failures: number } }>;
  days: number;
  againDay: () => void;
  againQuality: () => void;
}) {
  const { t, i18n } = useLingui();
  const number = (value: number, digits = 0) => new Intl.NumberFormat(i18n.locale, { maximumFractionDigits: digits }).format(value);
  const percent = (value: number) => new Intl.NumberFormat(i18n.locale, { style: 'percent', maximumFractionDigits: 2 }).format(value);
  const seconds = (ms: number | null | undefined) => (ms == null ? '—' : new Intl.NumberFormat(i18n.locale, { style: 'unit', unit: 'second', unitDisplay: 'short', maximumFractionDigits: 2 }).format(ms / 1000));
  const list = byDay.data?.activityByDay;
  const sum = (of: (d: Day) => number) => list?.reduce((all, d) => all + of(d), 0) ?? 0;
  const hours = sum((d) => d.watchedMs) / 3_600_000;
  const q = quality.data?.playbackQuality;
  const skeleton = <Skeleton className="mt-1 h-7 w-20" />;
  const figures: { name: string; value: ReactNode; note: ReactNode; tone?: 'warn' | 'danger' }[] = [
    { name: t`Views`, value: list ? number(sum((d) => d.views)) : skeleton, note: t`${plural(days, { one: 'in # day', other: 'in # days' })}` },
    { name: t`Watched`, value: list ? t`${number(hours, hours < 10 ? 1 : 0)} h` : skeleton, note: list ? t`${number(sum((d) => d.events))} facts recorded` : '' },
    { name: t`Active profiles a day`, value: list ? number(sum((d) => d.activeProfiles) / Math.max(1, list.length), 1) : skeleton, note: list ? t`today ${number(list[list.length - 1]?.activeProfiles ?? 0)}` : '' },
    { name: t`First frame`, value: q ? seconds(q.firstFrameP50Ms) : skeleton, note: q ? t`95 of 100 within ${seconds(q.firstFrameP95Ms)}` : '', tone: (q?.firstFrameP95Ms ?? 0) > 4_000 ? 'warn' : undefined },
    { name: t`Stalled`, value: q ? percent(q.rebufferRatio) : skeleton, note: t`of the time watched`, tone: (q?.rebufferRatio ?? 0) > 0.01 ? 'warn' : undefined },
    {
      name: t`Failures`,
      value: q ? number(q.failures) : skeleton,
      note: q ? t`${plural(q.plays, { one: 'of # play', other: 'of # plays' })}` : '',
      tone: q && q.failures > 0 && q.failures / Math.max(1, q.plays) > 0.01 ? 'danger' : undefined,
    },
  ];
  if ((byDay.error && !byDay.data) || (quality.error && !quality.data)) {
    return (
      <div className={cx(card, 'mb-5')}>
        <PartBody part={byDay.error && !byDay.data ? { error: byDay.error } : { error: quality.error }} again={byDay.error && !byDay.data ? againDay : againQuality}>
          {() => null}
        </PartBody>
      </div>
    );
  }
  return (
    <dl className="mb-5 grid grid-cols-2 gap-px overflow-hidden rounded-md border border-line bg-line sm:grid-cols-3 xl:grid-cols-6">
      {figures.map((f) => (
        <div key={f.name} className="bg-surface-1 p-4">
          <dt className="text-xs text-text-3">{f.name}</dt>
          <dd>
            <span className={cx('block text-xl font-semibold tracking-tight tabular', f.tone === 'warn' && 'text-warn', f.tone === 'danger' && 'text-danger')}>{f.value}</span>
            <span className="block text-xs text-text-3 tabular">{f.note}&nbsp;</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Activity({ part, days, again }: { part: PartState<{ activityByDay: readonly Day[] }>; days: number; again: () => void }) {
  const { t, i18n } = useLingui();
  const list = part.data?.activityByDay;
  const labels = useMemo(() => list?.map((d) => d.day) ?? [], [list]);
  const locale = i18n.locale;
  const whole = useMemo(() => (value: number) => new Intl.NumberFormat(locale, { maximumFractionDigits: 0, notation: value >= 10_000 ? 'compact' : 'standard' }).format(value), [locale]);
  const broken = useMemo(() => (value: number) => new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }).format(value), [locale]);
  const viewsName = t`Views`;
  const profilesName = t`Active profiles`;
  const meanName = t`Views per film`;
  const activity = useMemo(
    () => [
      { name: viewsName, shape: 'bar' as const, values: list?.map((d) => d.views) ?? [], format: whole },
      { name: profilesName, shape: 'line' as const, values: list?.map((d) => d.activeProfiles) ?? [], format: whole },
    ],
    [list, whole, viewsName, profilesName],
  );
  const mean = useMemo(
    () => [{ name: meanName, shape: 'line' as const, values: list?.map((d) => d.meanViewsPerPlayable) ?? [], format: broken }],
    [list, broken, meanName],
  );
  const total = list?.reduce((all, d) => all + d.views, 0) ?? 0;
  const best = list?.reduce<Day | undefined>((most, d) => (!most || d.views > most.views ? d : most), undefined);
  const bestDay = best ? new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long', timeZone: 'UTC' }).format(new Date(best.day)) : '';
  const seen = list?.filter((d) => d.views > 0) ?? [];
  const average = seen.length ? seen.reduce((all, d) => all + d.meanViewsPerPlayable, 0) / seen.length : 0;
  const skeleton = <Skeleton className="h-72 w-full" />;
  return (
    <>
      <div className={card}>
        <PartBody part={part} again={again} skeleton={skeleton}>
          {() => (
            <Chart
              title={t`Activity by day`}
              summary={
                total === 0
                  ? t`${plural(days, { one: 'Nothing was watched in # day.', other: 'Nothing was watched in # days.' })}`
                  : t`${plural(total, { one: '# view', other: '# views' })}; the most, ${whole(best?.views ?? 0)}, on ${bestDay}.`
              }
              days={labels}
              series={activity}
              whole
            />
          )}
        </PartBody>
      </div>
      <div className={card}>
        <PartBody part={part} again={again} skeleton={skeleton}>
          {() => (
            <Chart
              title={t`Mean views per film and episode, by day`}
              summary={total === 0 ? t`No views, no mean.` : t`${broken(average)} on an average day with views.`}
              days={labels}
              series={mean}
            />
          )}
        </PartBody>
      </div>
    </>
  );
}

type Session = {
  id: string;
  startedAt: string;
  positionMs: number;
  playing: boolean;
  device: { kind: string; system: string; browser: string };
  profile?: { id: string; name: string; colour: string } | null;
  title?: { id: string; name: string; poster?: { url: string } | null } | null;
  playable?: { __typename?: string; id: string; name: string; durationMs?: number | null; number?: number; seasonNumber?: number } | null;
};

function WatchingNow({ data, error }: { data?: { watchingNowChanged: readonly Session[] }; error?: CombinedError }) {
  const { t } = useLingui();
  const sessions = data?.watchingNowChanged;
  return (
    <section aria-labelledby="now" className={card}>
      <div className="mb-3 flex items-baseline gap-3">
        <h2 id="now" className="text-sm font-semibold">
          <Trans>Watching now</Trans>
        </h2>
        {sessions && <span className="text-sm text-text-3 tabular">{sessions.length}</span>}
      </div>
      {!sessions ? (
        error ? (
          <p role="alert" className="text-sm text-text-2">
            <Trans>Who is watching cannot be told at the moment. It comes back by itself.</Trans>
          </p>
        ) : (
          <div aria-hidden className="flex flex-col gap-2">
            <Skeleton className="h-12 w-full" />
            <Skeleton className="h-12 w-full" />
          </div>
        )
      ) : sessions.length === 0 ? (
        <p className="text-sm text-text-2">
          <Trans>Nobody is watching. When someone presses play, it shows here at once.</Trans>
        </p>
      ) : (
        <ul className="-my-1 max-h-96 divide-y divide-line overflow-y-auto">
          {sessions.map((s) => {
            const name = s.title?.name ?? t`A title that left the catalogue`;
            const episode = s.playable?.__typename === 'Episode' ? t`S${s.playable.seasonNumber ?? 0} E${s.playable.number ?? 0}` : null;
            const kind: Record<string, string> = { desktop: t`computer`, phone: t`phone`, tablet: t`tablet`, tv: t`TV` };
            return (
              <li key={s.id} className="flex items-center gap-3 py-2">
                <Thumb url={s.title?.poster?.url} />
                <div className="min-w-0 flex-1 text-sm">
                  <p className="truncate font-medium">
                    {s.title ? (
                      <Link to="/admin/titles/$id" params={{ id: s.title.id }} className="hover:underline">
                        {name}
                      </Link>
                    ) : (
                      name
                    )}
                    {episode && <span className="ml-2 font-normal text-text-3">{episode}</span>}
                  </p>
                  <p className="flex items-center gap-1.5 truncate text-xs text-text-2">
                    {s.profile && <Avatar name={s.profile.name} colour={s.profile.colour} size={16} />}
                    <span className="truncate">
                      {[s.profile?.name, kind[s.device.kind] ?? s.device.kind, s.device.system, s.device.browser].filter(Boolean).join(' · ')}
                    </span>
                  </p>
                </div>
                <span className="flex flex-col items-end gap-0.5 text-xs tabular">
                  <span className={cx('inline-flex items-center gap-1', s.playing ? 'text-accent-text' : 'text-text-3')}>
                    <Icon name={s.playing ? 'play' : icons.pause} size={12} />
                    {s.playing ? t`plays` : t`paused`}
                  </span>
                  <span className="text-text-3">
                    {clock(s.positionMs)}
                    {s.playable?.durationMs ? ` / ${clock(s.playable.durationMs)}` : ''}
                  </span>
                </span>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}

interface TopRow {
  views: number;
  viewers: number;
  watchedMs: number;
  title?: { id: string; name: string; year?: number | null; poster?: { url: string } | null } | null;
}

function TopTitles({ rows }: { rows: readonly TopRow[] }) {
  const { t } = useLingui();
  const duration = useDuration();
  const most = Math.max(1, ...rows.map((r) => r.views));
  if (rows.length === 0) {
    return (
      <p className="text-sm text-text-2">
        <Trans>Nothing was watched in this period.</Trans>
      </p>
    );
  }
  return (
    <ol className="-my-1 max-h-96 divide-y divide-line overflow-y-auto">
      {rows.map((row, i) => (
        <li key={row.title?.id ?? i} className="flex items-center gap-3 py-2 text-sm">
          <span className="w-4 text-right text-xs text-text-3 tabular">{i + 1}</span>
          <Thumb url={row.title?.poster?.url} />
          <div className="min-w-0 flex-1">
            <p className="truncate font-medium">
              {row.title ? (
                <Link to="/admin/titles/$id" params={{ id: row.title.id }} className="hover:underline">
                  {row.title.name}
                </Link>
              ) : (
                t`A title that left the catalogue`
              )}
            </p>
            <span aria-hidden className="mt-1.5 block h-1 overflow-hidden rounded-full bg-surface-3">
              <span className="block h-full rounded-full bg-accent" style={{ width: `${(row.views / most) * 100}%` }} />
            </span>
          </div>
          <span className="w-16 text-right text-text-3 tabular max-sm:hidden">{duration(row.watchedMs >= 36_000_000 ? Math.round(row.watchedMs / 3_600_000) * 3_600_000 : row.watchedMs)}</span>
          <div className="w-24 text-right tabular">
            <p>
              <Plural value={row.views} one="# view" other="# views" />
            </p>
            <p className="text-xs text-text-3">
              <Plural value={row.viewers} one="# viewer" other="# viewers" />
            </p>
          </div>
        </li>
      ))}
    </ol>
  );
}

function TermList({ rows, empty, lost }: { rows: readonly { query: string; count: number; meanResults: number }[]; empty: ReactNode; lost?: boolean }) {
  const { i18n } = useLingui();
  if (rows.length === 0) return <p className="text-sm text-text-2">{empty}</p>;
  return (
    <ul className="-my-1 divide-y divide-line text-sm">
      {rows.map((row) => (
        <li key={row.query} className="flex items-baseline gap-3 py-1.5">
          <Link to="/search" search={{ q: row.query }} className="min-w-0 flex-1 truncate hover:underline">
            {row.query}
          </Link>
          {!lost && (
            <span className="text-xs text-text-3 tabular">
              <Trans>finds {new Intl.NumberFormat(i18n.locale, { maximumFractionDigits: 1 }).format(row.meanResults)}</Trans>
            </span>
          )}
          <span className="w-16 text-right text-text-2 tabular">
            <Plural value={row.count} one="# time" other="# times" />
          </span>
        </li>
      ))}
    </ul>
  );
}
