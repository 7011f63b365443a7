import { Trans, useLingui } from '@lingui/react/macro';
import { useState, type FormEvent } from 'react';
import { useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminEpisodeFragment, AdminRecordFragment } from '~/gql/graphql';
import { toFault, useFaultText } from '~/lib/faults';
import { languageName } from '~/lib/format';
import { Button, IconButton } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field, Input, Textarea } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { toast } from '~/ui/toast';
import { titleName } from './names';
import { MediaChip } from './status';
import { UploadSlot } from './upload-slot';

const CreateEpisode = graphql(/* GraphQL */ `
  mutation CreateEpisode($input: CreateEpisodeInput!) {
    createEpisode(input: $input) { episode { ...AdminEpisode } record { id version updatedAt seasons { id number episodes { ...AdminEpisode } } } }
  }
`);
const UpdateEpisode = graphql(/* GraphQL */ `
  mutation UpdateEpisode($input: UpdateEpisodeInput!) {
    updateEpisode(input: $input) { episode { ...AdminEpisode } record { id version updatedAt seasons { id number episodes { ...AdminEpisode } } } }
  }
`);
const DeleteEpisode = graphql(/* GraphQL */ `
  mutation DeleteEpisode($input: DeleteEpisodeInput!) {
    deleteEpisode(input: $input) { record { id version updatedAt seasons { id number episodes { ...AdminEpisode } } } }
  }
`);

interface Props {
  record: AdminRecordFragment;
  writes: boolean;
  /** Episodes are saved on their own; the record's version moves with them. */
  onVersion: (version: number) => void;
}

/** Seasons with their episodes; each episode is made, changed and deleted on its own. */
export function Seasons({ record, writes, onVersion }: Props) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const [editing, setEditing] = useState<AdminEpisodeFragment | 'new' | null>(null);
  const [dropping, setDropping] = useState<AdminEpisodeFragment | null>(null);
  const [{ fetching }, remove] = useMutation(DeleteEpisode);
  const drop = async () => {
    if (!dropping) return;
    const { data, error } = await remove({ input: { id: dropping.id } });
    if (error) return void toast(words(error), { tone: 'danger' });
    if (data) onVersion(data.deleteEpisode.record.version);
    toast(t`The episode “${titleName(dropping, i18n.locale)}” is deleted.`);
    setDropping(null);
  };
  return (
    <div>
      {record.seasons.map((season) => (
        <section key={season.id} aria-label={t`Season ${season.number}`} className="mb-5">
          <h3 className="mb-2 text-sm font-medium text-text-2">{season.number === 0 ? <Trans>Specials</Trans> : <Trans>Season {season.number}</Trans>}</h3>
          <ul className="divide-y divide-line rounded-md border border-line">
            {season.episodes.map((episode) => {
              const name = titleName(episode, i18n.locale);
              return (
                <li key={episode.id} className="flex flex-wrap items-center gap-x-3 gap-y-2 p-2 pl-3 text-sm">
                  <span className="w-6 text-right text-text-3 tabular">{episode.number}</span>
                  <span className="min-w-40 flex-1 font-medium">{name}</span>
                  <MediaChip media={episode.media} />
                  <UploadSlot compact kind="SOURCE" ownerId={episode.id} titleId={record.id} label={t`Film of episode ${episode.number}, ${name}`} hint="" assets={record.assets} />
                  {writes && (
                    <span className="flex">
                      <IconButton size="sm" icon={icons.pencil} label={t`Edit “${name}”`} onClick={() => setEditing(episode)} />
                      <IconButton size="sm" icon={icons.trash} label={t`Delete “${name}”`} onClick={() => setDropping(episode)} />
                    </span>
                  )}
                </li>
              );
            })}
          </ul>
        </section>
      ))}
      {record.seasons.length === 0 && (
        <p className="mb-3 text-sm text-text-3">
          <Trans>No episodes yet. The first one makes its season.</Trans>
        </p>
      )}
      {writes && (
        <Button icon="plus" onClick={() => setEditing('new')}>
          <Trans>Add an episode</Trans>
        </Button>
      )}
      {editing && (
        <EpisodeDialog
          key={editing === 'new' ? 'new' : editing.id}
          record={record}
          episode={editing === 'new' ? null : editing}
          onClose={() => setEditing(null)}
          onVersion={onVersion}
        />
      )}
      <Dialog
        open={!!dropping}
        onOpenChange={(open) => !open && setDropping(null)}
        title={<Trans>Delete the episode?</Trans>}
        description={<Trans>It goes with its film and cannot be brought back.</Trans>}
        closeLabel={t`Close`}
        footer={
          <>
            <Button onClick={() => setDropping(null)}>
              <Trans>Keep it</Trans>
            </Button>
            <Button variant="danger" busy={fetching} onClick={() => void drop()}>
              <Trans>Delete</Trans>
            </Button>
          </>
        }
      >
        <p className="text-sm font-medium">{dropping && titleName(dropping, i18n.locale)}</p>
      </Dialog>
    </div>
  );
}

interface EpisodeProps {
  record: AdminRecordFragment;
  episode: AdminEpisodeFragment | null;
  onClose: () => void;
  onVersion: (version: number) => void;
}

function EpisodeDialog({ record, episode, onClose, onVersion }: EpisodeProps) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const [{ fetching: making }, create] = useMutation(CreateEpisode);
  const [{ fetching: saving }, update] = useMutation(UpdateEpisode);
  const [error, setError] = useState<{ name?: string; number?: string; all?: string }>({});
  const lastSeason = record.seasons[record.seasons.length - 1];
  const locales = [...new Set(['en', 'ru', ...(episode?.translations.map((x) => x.locale) ?? [])])];

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const text = (name: string) => String(data.get(name) ?? '').trim();
    const number = Number(text('number'));
    const wrong = {
      name: text('originalName') ? undefined : t`Enter a name.`,
      number: Number.isInteger(number) && number >= 1 ? undefined : t`Enter a number from 1.`,
    };
    setError(wrong);
    if (wrong.name || wrong.number) return form.querySelector<HTMLElement>(wrong.number ? '[name=number]' : '[name=originalName]')?.focus();
    const values = {
      number,
      originalName: text('originalName'),
      durationMs: text('minutes') ? Math.round(Number(text('minutes').replace(',', '.')) * 60_000) : null,
      translations: locales
        .map((locale) => ({ locale, name: text(`name ${locale}`), description: text(`description ${locale}`) }))
        .filter((x) => x.name || x.description),
    };
    const refused = (fault: unknown) => {
      const { reason } = toFault(fault);
      setError(reason === 'NUMBER_TAKEN' ? { number: words(fault) } : { all: words(fault) });
    };
    if (episode) {
      const { data: done, error: failed } = await update({ input: { id: episode.id, ...values } });
      if (failed || !done) return refused(failed);
      onVersion(done.updateEpisode.record.version);
    } else {
      const { data: done, error: failed } = await create({ input: { seriesId: record.id, seasonNumber: Number(text('season')), ...values } });
      if (failed || !done) return refused(failed);
      onVersion(done.createEpisode.record.version);
    }
    onClose();
  };

  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={episode ? <Trans>Edit the episode</Trans> : <Trans>New episode</Trans>}
      closeLabel={t`Close`}
      footer={
        <>
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button type="submit" form="episode" variant="primary" busy={making || saving}>
            <Trans>Save</Trans>
          </Button>
        </>
      }
    >
      <form id="episode" noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-5">
        <div className="grid grid-cols-3 gap-4">
          {!episode && (
            <Field label={t`Season`} hint={t`0 is for specials.`}>
              {(control) => <Input {...control} name="season" type="number" min={0} max={1000} defaultValue={lastSeason?.number ?? 1} required />}
            </Field>
          )}
          <Field label={t`Number`} error={error.number}>
            {(control) => <Input {...control} name="number" type="number" min={1} max={10_000} defaultValue={episode?.number ?? (lastSeason?.episodes.length ?? 0) + 1} />}
          </Field>
          <Field label={t`Length, minutes`}>
            {(control) => <Input {...control} name="minutes" inputMode="decimal" defaultValue={episode?.durationMs ? Math.round(episode.durationMs / 6_000) / 10 : ''} />}
          </Field>
        </div>
        <Field label={t`Original name`} error={error.name}>
          {(control) => <Input {...control} name="originalName" maxLength={300} defaultValue={episode?.originalName} autoFocus />}
        </Field>
        <div className="grid gap-5 sm:grid-cols-2">
          {locales.map((locale) => {
            const words = episode?.translations.find((x) => x.locale === locale);
            return (
              <fieldset key={locale} className="flex flex-col gap-3">
                <legend className="mb-2 text-sm font-medium">{languageName(locale, i18n.locale)}</legend>
                <Field label={t`Name`}>{(control) => <Input {...control} lang={locale} name={`name ${locale}`} maxLength={300} defaultValue={words?.name} />}</Field>
                <Field label={t`Description`}>
                  {(control) => <Textarea {...control} lang={locale} name={`description ${locale}`} maxLength={10_000} defaultValue={words?.description} />}
                </Field>
              </fieldset>
            );
          })}
        </div>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {error.all}
        </div>
      </form>
    </Dialog>
  );
}
