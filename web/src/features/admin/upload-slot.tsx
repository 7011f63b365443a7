import { Trans, useLingui } from '@lingui/react/macro';
import { useId, useState, type DragEvent, type ReactNode } from 'react';
import { useClient, useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminAssetFragment, AssetKind } from '~/gql/graphql';
import { toFault, useFaultText } from '~/lib/faults';
import type { Fault } from '~/lib/api/transport';
import { can } from '~/lib/session';
import { useStore } from '~/lib/store';
import { Button, buttonClass } from '~/ui/button';
import { cx } from '~/ui/cx';
import { Icon } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { toast } from '~/ui/toast';
import { useBytes, useDuration } from './amounts';
import { Bar } from './bar';
import { AdminFilesDocument } from './title-data';
import { canResume, dropUpload, pauseUpload, resumeUpload, slotOf, startUpload, uploadsStore, type Upload } from './upload';

const OpenUpload = graphql(/* GraphQL */ `
  mutation OpenUpload($input: OpenUploadInput!) { openUpload(input: $input) { uploadUrl asset { ...AdminAsset } } }
`);

const CancelUpload = graphql(/* GraphQL */ `
  mutation CancelUpload($input: CancelUploadInput!) { cancelUpload(input: $input) { asset { ...AdminAsset } } }
`);

interface Props {
  kind: AssetKind;
  ownerId: string;
  /** The title whose files these are; for an episode its series. */
  titleId: string;
  label: string;
  hint: ReactNode;
  assets: readonly AdminAssetFragment[];
  /** What there is already. */
  children?: ReactNode;
  compact?: boolean;
}

/** A place for a file: drop or choose it, watch it go, pause it, and go on after a closed laptop. */
export function UploadSlot({ kind, ownerId, titleId, label, hint, assets, children, compact }: Props) {
  const { t } = useLingui();
  const client = useClient();
  const words = useUploadWords();
  const [, open] = useMutation(OpenUpload);
  const [, cancel] = useMutation(CancelUpload);
  const [over, setOver] = useState(false);
  const input = useId();
  const slot = slotOf(kind, ownerId);
  const upload = useStore(uploadsStore, (all) => all[slot]);
  const mine = assets.filter((a) => a.kind === kind && a.ownerId === ownerId);
  // Left unfinished by a reload, another tab or another machine.
  const left = upload ? undefined : mine.find((a) => a.state === 'UPLOADING' && a.uploadUrl);
  const refused = upload || left ? undefined : mine[0]?.state === 'REFUSED' ? mine[0] : undefined;

  const refresh = () => client.query(AdminFilesDocument, { id: titleId }, { requestPolicy: 'network-only' }).toPromise();
  const look = async (assetId: string) => (await refresh()).data?.titleRecord?.assets.find((a) => a.id === assetId) ?? null;

  const take = (file: File | undefined) => {
    if (!file) return;
    if (left && (left.filename !== file.name || left.size !== file.size)) {
      toast(t`That is another file. Choose “${left.filename}” to go on, or drop the upload first.`, { tone: 'danger' });
      return;
    }
    void startUpload({
      kind,
      ownerId,
      file,
      look,
      onSettled: () => void refresh(),
      open: async () => {
        if (left?.uploadUrl) return { assetId: left.id, uploadUrl: left.uploadUrl };
        const { data, error } = await open({ input: { kind, ownerId, filename: file.name, size: file.size } });
        if (error || !data) throw toFault(error);
        return { assetId: data.openUpload.asset.id, uploadUrl: data.openUpload.uploadUrl };
      },
    });
  };
  const drop = async (assetId: string | undefined) => {
    await dropUpload(slot);
    if (!assetId) return;
    const { error } = await cancel({ input: { assetId } });
    if (error && toFault(error).code !== 'NOT_FOUND') toast(words(toFault(error)), { tone: 'danger' });
    void refresh();
  };
  const busy = upload && upload.phase !== 'done' && upload.phase !== 'refused' && upload.phase !== 'failed';
  const may = can('upload:write');

  const onDrag = (event: DragEvent) => {
    if (!may || busy || !event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    setOver(event.type !== 'dragleave');
  };

  return (
    <section
      aria-label={label}
      onDragEnter={onDrag}
      onDragOver={onDrag}
      onDragLeave={onDrag}
      onDrop={(event) => {
        if (!may || busy) return;
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer.files[0]);
      }}
      className={cx(!compact && 'rounded-md border p-3', !compact && (over ? 'border-accent bg-surface-2' : 'border-line'), compact && over && 'outline-2 outline-accent')}
    >
      {!compact && <h3 className="mb-2 text-sm font-medium text-text-2">{label}</h3>}
      {children}
      {upload && upload.phase !== 'done' && <Progress upload={upload} slot={slot} onDrop={() => void drop(upload.assetId)} />}
      {left && (
        <div className="mb-2 text-sm">
          <p>
            <Trans>
              “{left.filename}” stopped at {Math.floor((left.received / left.size) * 100)} %. Choose the same file to go on from there.
            </Trans>
          </p>
          <Bar value={left.received / left.size} label={t`Received so far`} className="my-2" />
        </div>
      )}
      {refused && (
        <p role="status" className="mb-2 flex gap-2 text-sm text-danger">
          <Icon name="alert" size={18} />
          <span>
            <Trans>
              “{refused.filename}” was refused. {refused.refusal} Nothing of it was kept.
            </Trans>
          </span>
        </p>
      )}
      {may && !busy && (
        <div className="flex flex-wrap items-center gap-2">
          <input
            id={input}
            type="file"
            className="peer sr-only"
            accept={kind === 'SOURCE' ? 'video/*,.mkv' : 'image/jpeg,image/png,image/webp'}
            aria-label={left ? t`Choose “${left.filename}” again` : t`Choose a file: ${label}`}
            onChange={(event) => {
              take(event.target.files?.[0]);
              event.target.value = '';
            }}
          />
          <label
            htmlFor={input}
            className={cx(buttonClass({ size: 'sm' }), 'cursor-pointer hover:bg-surface-3 peer-focus-visible:outline-2 peer-focus-visible:outline-offset-2 peer-focus-visible:outline-focus')}
          >
            <Icon name={icons.upload} size={18} />
            {left ? <Trans>Choose the file</Trans> : compact ? <Trans>Upload</Trans> : <Trans>Choose a file</Trans>}
          </label>
          {left && (
            <Button size="sm" variant="ghost" onClick={() => void drop(left.id)}>
              <Trans>Drop the upload</Trans>
            </Button>
          )}
          {!compact && !left && <span className="text-xs text-text-3">{hint}</span>}
        </div>
      )}
    </section>
  );
}

function Progress({ upload, slot, onDrop }: { upload: Upload; slot: string; onDrop: () => void }) {
  const { t, i18n } = useLingui();
  const words = useUploadWords();
  const bytes = useBytes();
  const duration = useDuration();
  const fraction = upload.size ? upload.sent / upload.size : 0;
  const percent = new Intl.NumberFormat(i18n.locale, { style: 'percent' }).format(Math.floor(fraction * 100) / 100);
  const left = upload.speed > 0 ? ((upload.size - upload.sent) / upload.speed) * 1000 : null;
  const ended = upload.phase === 'failed' || upload.phase === 'refused';
  return (
    <div className="mb-2 text-sm">
      <div className="flex items-baseline justify-between gap-3">
        <span className="min-w-0 truncate font-medium">{upload.filename}</span>
        {!ended && <span className="text-text-3 tabular">{percent}</span>}
      </div>
      {!ended && <Bar value={fraction} label={t`Uploaded`} className="my-2" quiet={upload.phase !== 'sending'} />}
      <div role="status" className={cx('text-xs', ended ? 'text-danger' : 'text-text-3')}>
        {upload.phase === 'opening' && <Trans>Opening…</Trans>}
        {upload.phase === 'paused' && <Trans>Paused; what is there is kept.</Trans>}
        {upload.phase === 'waiting' && <Trans>The cinema does not answer; it goes on by itself.</Trans>}
        {upload.phase === 'checking' && <Trans>All there. It is being looked at…</Trans>}
        {upload.phase === 'refused' && <Trans>Refused. {upload.fault ? words(upload.fault) : ''} Nothing of it was kept.</Trans>}
        {upload.phase === 'failed' && upload.fault && words(upload.fault)}
      </div>
      {upload.phase === 'sending' && (
        <div className="text-xs text-text-3 tabular">
          {bytes(upload.sent)} / {bytes(upload.size)}
          {upload.speed > 0 && ` · ${bytes(upload.speed)}/${t({ message: 's', comment: 'seconds, as in MB/s' })}`}
          {left !== null && ` · ${t`${duration(left)} left`}`}
        </div>
      )}
      <div className="mt-2 flex flex-wrap gap-2 empty:hidden">
        {(upload.phase === 'sending' || upload.phase === 'waiting') && (
          <Button size="sm" icon={icons.pause} onClick={() => pauseUpload(slot)}>
            <Trans>Pause</Trans>
          </Button>
        )}
        {(upload.phase === 'paused' || (upload.phase === 'failed' && canResume(slot) && upload.fault?.code !== 'INVALID')) && (
          <Button size="sm" icon="play" onClick={() => resumeUpload(slot)}>
            <Trans>Go on</Trans>
          </Button>
        )}
        {upload.phase !== 'opening' && upload.phase !== 'checking' && (
          <Button size="sm" variant="ghost" onClick={onDrop}>
            {upload.phase === 'refused' ? <Trans>Close</Trans> : <Trans>Drop the upload</Trans>}
          </Button>
        )}
      </div>
    </div>
  );
}

/** Words for why a file was not taken. */
function useUploadWords(): (fault: Fault) => string {
  const { t } = useLingui();
  const words = useFaultText();
  return (fault) => {
    switch (fault.reason) {
      case 'EMPTY':
        return t`The file is empty.`;
      case 'NOT_A_FILM':
        return t`This is not a film: MP4, MKV, WebM, MOV, AVI or MPEG is wanted.`;
      case 'NOT_A_PICTURE':
        return t`This is not a picture that can be used: JPEG, PNG or WebP is wanted.`;
      case 'TRUNCATED':
        return t`The file ends too early or is broken. Upload it again.`;
      case 'UNSUPPORTED_CODEC':
        return t`The film is coded in a way that cannot be read here.`;
      case 'TOO_LONG':
        return t`The film is longer than 12 hours.`;
      case 'TOO_LARGE':
        return t`The picture is too large.`;
      case 'TOO_SMALL':
        return t`The picture is too small.`;
      case 'DISK_FULL':
        return t`The disk has too little room for this file. Free some, or upload a smaller one.`;
      case 'TOO_MANY_UPLOADS':
        return t`Too many uploads are open. Finish or drop some first.`;
    }
    return words(fault);
  };
}
