import { Trans, useLingui } from '@lingui/react/macro';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useState, type ReactNode } from 'react';
import { useMutation, useQuery, useSubscription } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminRecordFragment } from '~/gql/graphql';
import { useFaultText } from '~/lib/faults';
import { can } from '~/lib/session';
import { Button, ButtonLink } from '~/ui/button';
import { Icon } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { Skeleton } from '~/ui/skeleton';
import { EmptyState } from '~/ui/states';
import { toast } from '~/ui/toast';
import { useDuration } from './amounts';
import { Bar } from './bar';
import { Changes } from './changes';
import { titleName } from './names';
import { LoadError, Page } from './page';
import { MediaChip, StatusChip, unfinished } from './status';
import { AdminFilesDocument, AdminTitleDocument } from './title-data';
import { TitleForm } from './title-form';
import { UploadSlot } from './upload-slot';
import { VisibleChips } from './visible';

const PublishOne = graphql(/* GraphQL */ `
  mutation PublishTitle($input: PublishTitlesInput!) { publishTitles(input: $input) { records { id version status updatedAt } } }
`);
const DeleteOne = graphql(/* GraphQL */ `
  mutation DeleteTitle($input: TitleIdsInput!) { deleteTitles(input: $input) { records { id version status updatedAt } } }
`);
const RestoreOne = graphql(/* GraphQL */ `
  mutation RestoreTitle($input: TitleIdsInput!) { restoreTitles(input: $input) { records { id version status updatedAt } } }
`);
const JobNews = graphql(/* GraphQL */ `
  subscription AdminTitleJob { mediaJobChanged { ...AdminJob } }
`);

export function TitleEdit({ id }: { id: string }) {
  const { t } = useLingui();
  const [{ data, error, fetching }, again] = useQuery({ query: AdminTitleDocument, variables: { id }, requestPolicy: 'cache-and-network' });
  const record = data?.titleRecord;
  if (record) return <Record record={record} />;
  return (
    <Page title={t`Title`}>
      {data && !fetching ? (
        <EmptyState
          icon="film"
          title={<Trans>There is no such title</Trans>}
          action={
            <ButtonLink to="/admin/titles" search={{}} variant="primary">
              <Trans>All titles</Trans>
            </ButtonLink>
          }
        >
          <Trans>It may have been deleted for good.</Trans>
        </EmptyState>
      ) : error ? (
        <LoadError what={<Trans>The title could not be loaded</Trans>} error={error} again={() => again({ requestPolicy: 'network-only' })} />
      ) : (
        <div aria-hidden className="grid gap-8 xl:grid-cols-[minmax(0,1fr)_360px]">
          <div className="flex flex-col gap-5">
            <Skeleton className="h-10 w-2/3" />
            <Skeleton className="h-11 w-full" />
            <Skeleton className="h-11 w-full" />
            <Skeleton className="h-40 w-full" />
            <Skeleton className="h-11 w-1/2" />
          </div>
          <div className="flex flex-col gap-5">
            <Skeleton className="h-64 w-full" />
            <Skeleton className="h-40 w-full" />
          </div>
        </div>
      )}
    </Page>
  );
}

function Record({ record }: { record: AdminRecordFragment }) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const navigate = useNavigate();
  const writes = can('title:write');
  const [dirty, setDirty] = useState(false);
  const [{ fetching: publishing }, publish] = useMutation(PublishOne);
  const [, remove] = useMutation(DeleteOne);
  const [, restore] = useMutation(RestoreOne);
  const failed = (error: unknown) => toast(words(error), { tone: 'danger' });
  const name = titleName(record, i18n.locale);
  const ids = [record.id];

  const show = async (published: boolean) => {
    const { error } = await publish({ input: { ids, published } });
    if (error) failed(error);
  };
  const bringBack = async () => {
    const { error } = await restore({ input: { ids } });
    if (error) failed(error);
  };
  const drop = async () => {
    const { error } = await remove({ input: { ids } });
    if (error) return failed(error);
    toast(t`“${name}” is deleted.`, { action: { label: t`Undo`, onPress: () => void bringBack() } });
    await navigate({ to: '/admin/titles', search: {} });
  };

  return (
    <Page
      sticky
      title={name}
      actions={
        writes &&
        (record.status === 'DELETED' ? (
          <Button variant="primary" icon={icons.restart} onClick={() => void bringBack()}>
            <Trans>Bring back</Trans>
          </Button>
        ) : (
          <>
            {record.status === 'PUBLISHED' && (
              <ButtonLink to="/title/$id" params={{ id: record.id }} variant="ghost" icon="film">
                <Trans>As viewers see it</Trans>
              </ButtonLink>
            )}
            <Button variant="ghost" icon={icons.trash} onClick={() => void drop()}>
              <Trans>Delete</Trans>
            </Button>
            {record.status === 'DRAFT' ? (
              <Button busy={publishing} onClick={() => void show(true)}>
                <Trans>Publish</Trans>
              </Button>
            ) : (
              <Button busy={publishing} onClick={() => void show(false)}>
                <Trans>Hide</Trans>
              </Button>
            )}
            <Button variant="primary" type="submit" form="title-form" disabled={!dirty} aria-keyshortcuts="Control+S Meta+S" title="Ctrl+S · ⌘S">
              <Trans>Save</Trans>
            </Button>
          </>
        ))
      }
    >
      <div className="-mt-2 mb-5 flex flex-wrap items-center gap-x-3 gap-y-2 text-sm">
        <Link to="/admin/titles" search={{}} className="inline-flex min-h-8 items-center gap-1 rounded-sm text-text-2 hover:text-text-1">
          <Icon name="left" size={16} />
          <Trans>All titles</Trans>
        </Link>
        <StatusChip status={record.status} />
        <VisibleChips id={record.id} version={record.version} status={record.status} dirty={dirty} />
        {record.kind === 'FILM' && <MediaChip media={record.media} />}
        {record.demo && (
          <span className="text-xs text-text-3">
            <Trans>Belongs to the demo</Trans>
          </span>
        )}
      </div>
      <div className="grid items-start gap-x-10 gap-y-8 xl:grid-cols-[minmax(0,1fr)_360px]">
        <TitleForm record={record} writes={writes && record.status !== 'DELETED'} onDirty={setDirty} />
        <div className="flex flex-col gap-4">
          <Files record={record} />
          <Changes id={record.id} version={record.version} />
        </div>
      </div>
      {dirty && (
        <div className="sticky bottom-0 z-20 -mx-4 mt-6 flex items-center gap-3 border-t border-line bg-surface-1 p-3 px-4 lg:hidden">
          <span className="flex-1 text-sm text-text-2">
            <Trans>Not saved yet</Trans>
          </span>
          <Button variant="primary" type="submit" form="title-form">
            <Trans>Save</Trans>
          </Button>
        </div>
      )}
    </Page>
  );
}

function Files({ record }: { record: AdminRecordFragment }) {
  const { t } = useLingui();
  const { assets } = record;
  const episodes = record.seasons.flatMap((season) => season.episodes);
  const known = new Set([record.media?.job?.id, ...episodes.map((e) => e.media?.job?.id)]);
  const mine = new Set([record.id, ...episodes.map((e) => e.id)]);
  const [, ask] = useQuery({ query: AdminFilesDocument, variables: { id: record.id }, pause: true });
  const [{ data: news }] = useSubscription({ query: JobNews });
  // The cache takes over what a job tells of itself; a new job and the end of one change what the title has.
  const job = news?.mediaJobChanged;
  const fresh = job && mine.has(job.playableId) && (!known.has(job.id) || !unfinished(job.state)) ? `${job.id} ${job.state}` : undefined;
  useEffect(() => {
    if (fresh) ask({ requestPolicy: 'network-only' });
  }, [fresh, ask]);
  return (
    <>
      <UploadSlot kind="POSTER" ownerId={record.id} titleId={record.id} label={t`Poster, 2 : 3`} hint={<Trans>Or drop it here. JPEG, PNG or WebP.</Trans>} assets={assets}>
        <Preview url={record.posterUrl} ratio="2/3" alt={t`The poster as it is`} />
      </UploadSlot>
      <UploadSlot kind="STILL" ownerId={record.id} titleId={record.id} label={t`Still, 16 : 9`} hint={<Trans>Or drop it here. JPEG, PNG or WebP.</Trans>} assets={assets}>
        <Preview url={record.stillUrl} ratio="16/9" alt={t`The still as it is`} />
      </UploadSlot>
      {record.kind === 'FILM' && (
        <UploadSlot kind="SOURCE" ownerId={record.id} titleId={record.id} label={t`Film`} hint={<Trans>Or drop it here. MP4, MKV, WebM, MOV, AVI or MPEG.</Trans>} assets={assets}>
          <Media record={record} />
        </UploadSlot>
      )}
    </>
  );
}

const Preview = ({ url, ratio, alt }: { url: string | null | undefined; ratio: string; alt: string }) =>
  url && (
    <div className="mb-3 overflow-hidden rounded-md bg-surface-2" style={{ aspectRatio: ratio, maxWidth: ratio === '2/3' ? 132 : undefined }}>
      <img src={url} alt={alt} className="size-full object-cover" />
    </div>
  );

function Media({ record }: { record: AdminRecordFragment }) {
  const { t, i18n } = useLingui();
  const duration = useDuration();
  const { media } = record;
  if (!media) return null;
  const job = media.job;
  const line = (children: ReactNode) => <p className="text-sm text-text-2">{children}</p>;
  return (
    <div className="mb-3 flex flex-col gap-2" role="status">
      <div className="flex flex-wrap items-center gap-2">
        <MediaChip media={media} />
        {media.renditions.length > 0 && <span className="text-xs text-text-3 tabular">{new Intl.ListFormat(i18n.locale, { type: 'unit' }).format(media.renditions)}</span>}
      </div>
      {job && unfinished(job.state) && (
        <>
          <Bar value={job.percent / 100} label={t`All of it`} />
          {line(
            <span className="text-xs tabular">
              {t`${Math.round(job.percent)} % of all`}
              {job.etaMs != null && ` · ${t`${duration(job.etaMs)} left`}`}
            </span>,
          )}
        </>
      )}
      {job?.state === 'FAILED' && (
        <p className="text-sm text-danger">
          {job.error}{' '}
          <Link to="/admin/jobs" search={{ show: 'failed' }} className="underline underline-offset-4">
            <Trans>See the jobs</Trans>
          </Link>
        </p>
      )}
    </div>
  );
}
