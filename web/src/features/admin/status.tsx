import { Trans, useLingui } from '@lingui/react/macro';
import { graphql } from '~/gql/gql';
import type { AdminMediaFragment, MediaJobState, TitleStatus } from '~/gql/graphql';
import { Chip } from '~/ui/chip';

export const AdminJob = graphql(/* GraphQL */ `
  fragment AdminJob on MediaJob {
    id
    playableId
    playableName
    state
    step
    percent
    stepPercent
    speed
    etaMs
    error
    createdAt
    finishedAt
  }
`);

export const AdminMedia = graphql(/* GraphQL */ `
  fragment AdminMedia on MediaState {
    playable
    complete
    renditions
    job { ...AdminJob }
  }
`);

/** Whether viewers see it. */
export function StatusChip({ status }: { status: TitleStatus }) {
  switch (status) {
    case 'PUBLISHED':
      return (
        <Chip tone="ok">
          <Trans>Published</Trans>
        </Chip>
      );
    case 'DELETED':
      return (
        <Chip tone="danger">
          <Trans>Deleted</Trans>
        </Chip>
      );
    default:
      return (
        <Chip>
          <Trans>Draft</Trans>
        </Chip>
      );
  }
}

export const unfinished = (state: MediaJobState) => state === 'QUEUED' || state === 'PROBING' || state === 'ENCODING';

/** The words for how far a film's media have come: uploaded → probing → 40 % of 720p → ready. */
export function MediaChip({ media }: { media: AdminMediaFragment | null | undefined }) {
  const { i18n } = useLingui();
  if (!media) {
    return (
      <Chip>
        <Trans>No film</Trans>
      </Chip>
    );
  }
  const job = media.job;
  if (job && unfinished(job.state)) {
    const percent = new Intl.NumberFormat(i18n.locale, { style: 'percent' }).format(job.stepPercent / 100);
    return (
      <Chip tone="accent">
        {job.state === 'QUEUED' ? (
          <Trans>Uploaded, waits its turn</Trans>
        ) : job.state === 'PROBING' ? (
          <Trans>Probing</Trans>
        ) : job.step ? (
          <Trans>
            {percent} of {job.step}
          </Trans>
        ) : (
          <Trans>Encoding</Trans>
        )}
      </Chip>
    );
  }
  if (media.complete) {
    return (
      <Chip tone="ok">
        <Trans>Ready</Trans>
      </Chip>
    );
  }
  if (job?.state === 'FAILED') {
    return (
      <Chip tone="danger">
        <Trans>Failed</Trans>
      </Chip>
    );
  }
  if (media.playable) {
    return (
      <Chip tone="warn">
        <Trans>Playable in part</Trans>
      </Chip>
    );
  }
  return (
    <Chip tone="warn">{job?.state === 'CANCELLED' ? <Trans>Stopped</Trans> : <Trans>Not playable</Trans>}</Chip>
  );
}
