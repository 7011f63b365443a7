import { Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useMutation, useQuery, useSubscription } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminJobFragment, AdminJobsQuery, DemoState } from '~/gql/graphql';
import { useFaultText } from '~/lib/faults';
import { can } from '~/lib/session';
import { Button } from '~/ui/button';
import { Chip, ToggleChip, type ChipTone } from '~/ui/chip';
import { Dialog } from '~/ui/dialog';
import { icons } from '~/ui/more-icons';
import { EmptyState } from '~/ui/states';
import { Table, Td, Th, Tr } from '~/ui/table';
import { toast } from '~/ui/toast';
import { useDuration } from './amounts';
import { Bar } from './bar';
import { LoadError, Page, RowsSkeleton } from './page';
import { jobStates, type JobsSearch } from './search';
import { unfinished } from './status';
import { usePages } from '~/lib/use-pages';

const JobsDocument = graphql(/* GraphQL */ `
  query AdminJobs($states: [MediaJobState!], $first: Int!, $after: String) {
    mediaJobs(states: $states, first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges { cursor node { ...AdminJob } }
    }
  }
`);
const JobNews = graphql(/* GraphQL */ `
  subscription AdminJobNews { mediaJobChanged { ...AdminJob } }
`);
const Cancel = graphql(/* GraphQL */ `
  mutation CancelMediaJob($input: MediaJobInput!) { cancelMediaJob(input: $input) { job { ...AdminJob } } }
`);
const Retry = graphql(/* GraphQL */ `
  mutation RetryMediaJob($input: MediaJobInput!) { retryMediaJob(input: $input) { job { ...AdminJob } } }
`);
const Demo = graphql(/* GraphQL */ `
  query AdminDemo { demo { state step percent titles } }
`);
const RemoveDemo = graphql(/* GraphQL */ `
  mutation RemoveDemo { removeDemo { demo { state step percent titles } } }
`);

export function Jobs({ search }: { search: JobsSearch }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: '/admin/jobs' });
  const list = usePages(JobsDocument, { first: 50, states: search.show ? jobStates[search.show] : null }, (data: AdminJobsQuery) => data.mediaJobs);
  const [{ data: news, error: deaf }] = useSubscription({ query: JobNews });

  // What a job tells of itself reaches its row through the cache; one that is not in the list yet is asked for.
  const told = news?.mediaJobChanged;
  const unknown = told && !list.loading && !list.nodes.some((job) => job.id === told.id) && (!search.show || jobStates[search.show].includes(told.state)) ? told.id : undefined;
  const { again } = list;
  useEffect(() => {
    if (unknown) again();
    // Once for each job that appears.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [unknown]);

  const show = (which: JobsSearch['show']) => void navigate({ search: which ? { show: which } : {} });
  return (
    <Page title={t`Jobs`}>
      <DemoCard />
      <div className="mb-3 flex flex-wrap gap-2">
        <ToggleChip pressed={!search.show} onPress={() => show(undefined)}>
          <Trans>All</Trans>
        </ToggleChip>
        <ToggleChip pressed={search.show === 'open'} onPress={() => show('open')}>
          <Trans>Going on</Trans>
        </ToggleChip>
        <ToggleChip pressed={search.show === 'failed'} onPress={() => show('failed')}>
          <Trans>Failed or stopped</Trans>
        </ToggleChip>
      </div>
      {deaf && (
        <p role="status" className="mb-3 text-sm text-warn">
          <Trans>News of the jobs do not come at the moment; the list is as it was loaded.</Trans>
        </p>
      )}
      {list.error && list.nodes.length === 0 ? (
        <LoadError what={<Trans>The jobs could not be loaded</Trans>} error={list.error} again={list.again} />
      ) : list.loading && list.nodes.length === 0 ? (
        <RowsSkeleton rows={5} />
      ) : list.nodes.length === 0 ? (
        <EmptyState icon="film" title={search.show ? <Trans>No such jobs</Trans> : <Trans>No jobs yet</Trans>}>
          <Trans>An uploaded film is made ready for watching here: upload one on the page of its title.</Trans>
        </EmptyState>
      ) : (
        <>
          <Table label={t`Jobs`} className="lg:max-h-[calc(100dvh-220px)]">
            <thead>
              <tr>
                <Th className="min-w-40">
                  <Trans>Film or episode</Trans>
                </Th>
                <Th>
                  <Trans>State</Trans>
                </Th>
                <Th className="min-w-48 max-md:hidden">
                  <Trans>Progress</Trans>
                </Th>
                <Th className="max-lg:hidden">
                  <Trans>Speed</Trans>
                </Th>
                <Th className="max-lg:hidden">
                  <Trans>Left</Trans>
                </Th>
                <Th className="max-md:hidden">
                  <Trans>Queued</Trans>
                </Th>
                <Th>
                  <span className="sr-only">
                    <Trans>Actions</Trans>
                  </span>
                </Th>
              </tr>
            </thead>
            <tbody>
              {list.nodes.map((job) => (
                <JobRow key={job.id} job={job} />
              ))}
            </tbody>
          </Table>
          {list.hasMore && (
            <Button className="mt-3" onClick={list.more} busy={list.loading}>
              <Trans>Load more</Trans>
            </Button>
          )}
        </>
      )}
    </Page>
  );
}

const tones: Record<AdminJobFragment['state'], ChipTone> = { QUEUED: 'plain', PROBING: 'accent', ENCODING: 'accent', READY: 'ok', FAILED: 'danger', CANCELLED: 'plain' };

function JobRow({ job }: { job: AdminJobFragment }) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const duration = useDuration();
  const [{ fetching: stopping }, cancel] = useMutation(Cancel);
  const [{ fetching: retrying }, retry] = useMutation(Retry);
  const may = can('upload:write');
  const open = unfinished(job.state);
  const percent = (value: number) => new Intl.NumberFormat(i18n.locale, { style: 'percent' }).format(Math.floor(value) / 100);
  const act = async (what: typeof cancel | typeof retry) => {
    const { error } = await what({ input: { id: job.id } });
    if (error) toast(words(error), { tone: 'danger' });
  };
  const again = () => void act(retry);
  const stop = async () => {
    const { error } = await cancel({ input: { id: job.id } });
    if (error) return void toast(words(error), { tone: 'danger' });
    toast(t`“${job.playableName}” is stopped. What is ready stays.`, { action: { label: t`Undo`, onPress: again } });
  };
  const stateName = {
    QUEUED: t`Waits its turn`,
    PROBING: t`Probing`,
    ENCODING: job.step ? t`Makes ${job.step}` : t`Encoding`,
    READY: t`Ready`,
    FAILED: t`Failed`,
    CANCELLED: t`Stopped`,
  }[job.state];
  return (
    <Tr>
      <Td className="py-2 font-medium">
        {job.playableName}
        {open && (
          <span className="mt-1 block md:hidden">
            <Bar value={job.percent / 100} label={t`Done of “${job.playableName}”`} />
          </span>
        )}
        {job.error && <span className="block max-w-prose text-xs font-normal text-danger">{job.error}</span>}
      </Td>
      <Td>
        <Chip tone={tones[job.state]}>{stateName}</Chip>
      </Td>
      <Td className="max-md:hidden">
        {open && (
          <span className="flex items-center gap-3">
            <Bar value={job.percent / 100} label={t`Done of “${job.playableName}”`} className="flex-1" />
            <span className="w-10 text-right text-text-2">{percent(job.percent)}</span>
          </span>
        )}
        {open && job.step && (
          <span className="block text-xs text-text-3">
            {job.step}: {percent(job.stepPercent)}
          </span>
        )}
      </Td>
      <Td className="text-text-2 max-lg:hidden">{open && job.speed > 0 ? `${new Intl.NumberFormat(i18n.locale, { maximumFractionDigits: 1 }).format(job.speed)}×` : ''}</Td>
      <Td className="whitespace-nowrap text-text-2 max-lg:hidden">{open && job.etaMs != null ? duration(job.etaMs) : ''}</Td>
      <Td className="whitespace-nowrap text-text-2 max-md:hidden">
        <time dateTime={job.createdAt}>{new Date(job.createdAt).toLocaleString(i18n.locale, { dateStyle: 'short', timeStyle: 'short' })}</time>
      </Td>
      <Td className="text-right">
        {may && open && (
          <Button size="sm" busy={stopping} onClick={() => void stop()} aria-label={t`Stop “${job.playableName}”`}>
            <Trans>Stop</Trans>
          </Button>
        )}
        {may && (job.state === 'FAILED' || job.state === 'CANCELLED') && (
          <Button size="sm" icon={icons.restart} busy={retrying} onClick={again} aria-label={t`Try “${job.playableName}” again`}>
            <Trans>Try again</Trans>
          </Button>
        )}
      </Td>
    </Tr>
  );
}

/** The demo cinema: how far it has come, and the way to be rid of it. */
function DemoCard() {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const [asking, setAsking] = useState(false);
  const [{ data }, again] = useQuery({ query: Demo, requestPolicy: 'cache-and-network' });
  const [{ fetching }, remove] = useMutation(RemoveDemo);
  const demo = data?.demo;
  const moves = demo?.state === 'SEEDING' || demo?.state === 'REMOVING';
  useEffect(() => {
    if (!moves) return;
    const timer = setInterval(() => again({ requestPolicy: 'network-only' }), 2_000);
    return () => clearInterval(timer);
  }, [moves, again]);
  if (!demo || demo.state === 'ABSENT') return null;
  const stateName: Record<DemoState, string> = {
    ABSENT: '',
    SEEDING: t`being made`,
    READY: t`complete`,
    REMOVING: t`being removed`,
    FAILED: t`could not be completed`,
  };
  const drop = async () => {
    const { error } = await remove({});
    if (error) return void toast(words(error), { tone: 'danger' });
    setAsking(false);
    again({ requestPolicy: 'network-only' });
  };
  const percent = new Intl.NumberFormat(i18n.locale, { style: 'percent' }).format(Math.floor(demo.percent) / 100);
  return (
    <section aria-label={t`Demo cinema`} className="mb-5 flex flex-wrap items-center gap-x-6 gap-y-3 rounded-md border border-line bg-surface-1 p-4">
      <div className="min-w-56 flex-1">
        <div className="flex flex-wrap items-center gap-3">
          <h2 className="text-sm font-semibold">
            <Trans>Demo cinema</Trans>
          </h2>
          <Chip tone={demo.state === 'READY' ? 'ok' : demo.state === 'FAILED' ? 'danger' : 'accent'}>{stateName[demo.state]}</Chip>
        </div>
        {moves ? (
          <>
            <Bar value={demo.percent / 100} label={t`Demo cinema`} className="mt-3 mb-1.5" />
            <p className="text-xs text-text-3 tabular">
              {percent}
              {demo.step && ` · ${demo.step}`}
            </p>
          </>
        ) : (
          <p className="mt-1 text-sm text-text-2">
            {demo.state === 'FAILED' ? (
              <Trans>The program’s log says why. What is there can be used, or removed.</Trans>
            ) : (
              <Trans>Titles with films made for show and viewers who are not real. Remove it when the cinema has films of its own.</Trans>
            )}
          </p>
        )}
      </div>
      {can('title:write') && demo.state !== 'REMOVING' && (
        <Button icon={icons.trash} onClick={() => setAsking(true)}>
          <Trans>Remove the demo</Trans>
        </Button>
      )}
      <Dialog
        open={asking}
        onOpenChange={setAsking}
        title={<Trans>Remove the demo cinema?</Trans>}
        description={<Trans>Its titles, people, genres, films, viewers and viewing go for good. What you made yourself stays.</Trans>}
        closeLabel={t`Close`}
        footer={
          <>
            <Button onClick={() => setAsking(false)}>
              <Trans>Keep it</Trans>
            </Button>
            <Button variant="danger" busy={fetching} onClick={() => void drop()}>
              <Trans>Remove the demo</Trans>
            </Button>
          </>
        }
      >
        {null}
      </Dialog>
    </section>
  );
}
