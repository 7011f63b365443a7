import { plural } from '@lingui/core/macro';
import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { useState, type FormEvent } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminGenresQuery } from '~/gql/graphql';
import { toFault, useFaultText } from '~/lib/faults';
import { can } from '~/lib/session';
import { Button, IconButton } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Field, Input } from '~/ui/field';
import { icons } from '~/ui/more-icons';
import { EmptyState } from '~/ui/states';
import { Table, Td, Th, Tr } from '~/ui/table';
import { toast } from '~/ui/toast';
import { CellInput } from './cell-input';
import { genreName, slugOf } from './names';
import { LoadError, Page, RowsSkeleton } from './page';

const GenresDocument = graphql(/* GraphQL */ `
  query AdminGenres { genreRecords { id version slug titleCount updatedAt translations { locale name } } }
`);
const CreateGenre = graphql(/* GraphQL */ `
  mutation CreateGenreHere($input: CreateGenreInput!) {
    createGenre(input: $input) { record { id version slug titleCount updatedAt translations { locale name } } }
  }
`);
const UpdateGenre = graphql(/* GraphQL */ `
  mutation UpdateGenre($input: UpdateGenreInput!) {
    updateGenre(input: $input) { record { id version slug titleCount updatedAt translations { locale name } } }
  }
`);
const DeleteGenre = graphql(/* GraphQL */ `
  mutation DeleteGenre($input: DeleteGenreInput!) { deleteGenre(input: $input) { deletedId titlesChanged } }
`);

type Genre = AdminGenresQuery['genreRecords'][number];

export function Genres() {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const writes = can('title:write');
  const [{ data, error }, again] = useQuery({ query: GenresDocument, requestPolicy: 'cache-and-network' });
  const [, update] = useMutation(UpdateGenre);
  const [{ fetching: deleting }, remove] = useMutation(DeleteGenre);
  const [creating, setCreating] = useState(false);
  const [dropping, setDropping] = useState<Genre | null>(null);
  const genres = data?.genreRecords;

  const rename = async (genre: Genre, locale: string, name: string) => {
    const translations = [...genre.translations.filter((x) => x.locale !== locale), ...(name ? [{ locale, name }] : [])].map((x) => ({ locale: x.locale, name: x.name }));
    if (translations.length === 0) {
      toast(t`A genre needs a name in at least one language.`, { tone: 'danger' });
      return false;
    }
    const result = await update({ input: { id: genre.id, version: genre.version, translations } });
    if (!result.error) return true;
    toast(words(result.error), { tone: 'danger' });
    if (toFault(result.error).code === 'CONFLICT') again({ requestPolicy: 'network-only' });
    return false;
  };
  const drop = async () => {
    if (!dropping) return;
    const result = await remove({ input: { id: dropping.id } });
    if (result.error || !result.data) return void toast(words(result.error), { tone: 'danger' });
    const changed = result.data.deleteGenre.titlesChanged;
    toast(t`“${genreName(dropping, i18n.locale)}” is deleted; ${plural(changed, { one: '# title lost it.', other: '# titles lost it.' })}`);
    setDropping(null);
  };

  return (
    <Page
      title={t`Genres`}
      note={genres && <Plural value={genres.length} one="# genre" other="# genres" />}
      actions={
        writes && (
          <Button variant="primary" icon="plus" onClick={() => setCreating(true)}>
            <Trans>New genre</Trans>
          </Button>
        )
      }
    >
      {!genres ? (
        error ? (
          <LoadError what={<Trans>The genres could not be loaded</Trans>} error={error} again={() => again({ requestPolicy: 'network-only' })} />
        ) : (
          <RowsSkeleton />
        )
      ) : genres.length === 0 ? (
        <EmptyState icon={icons.tag} title={<Trans>No genres yet</Trans>}>
          <Trans>Make one here, or on the page of a title.</Trans>
        </EmptyState>
      ) : (
        <Table label={t`Genres`} className="lg:max-h-[calc(100dvh-140px)]">
          <thead>
            <tr>
              <Th className="min-w-36">English</Th>
              <Th className="min-w-36">Русский</Th>
              <Th className="max-md:hidden">
                <Trans>Word for addresses</Trans>
              </Th>
              <Th className="text-right">
                <Trans>Titles</Trans>
              </Th>
              {writes && (
                <Th>
                  <span className="sr-only">
                    <Trans>Actions</Trans>
                  </span>
                </Th>
              )}
            </tr>
          </thead>
          <tbody>
            {genres.map((genre) => (
              <Tr key={genre.id}>
                {(['en', 'ru'] as const).map((locale) => (
                  <Td key={locale} className="p-1!">
                    <CellInput
                      label={locale === 'en' ? t`${genre.slug} in English` : t`${genre.slug} in Russian`}
                      lang={locale}
                      value={genre.translations.find((x) => x.locale === locale)?.name ?? ''}
                      disabled={!writes}
                      onSave={(name) => rename(genre, locale, name)}
                    />
                  </Td>
                ))}
                <Td className="text-text-3 max-md:hidden">{genre.slug}</Td>
                <Td className="text-right">{genre.titleCount}</Td>
                {writes && (
                  <Td className="w-12 p-1! text-right">
                    <IconButton size="sm" icon={icons.trash} label={t`Delete “${genreName(genre, i18n.locale)}”`} onClick={() => setDropping(genre)} />
                  </Td>
                )}
              </Tr>
            ))}
          </tbody>
        </Table>
      )}
      {creating && <NewGenre onClose={() => setCreating(false)} />}
      <Dialog
        open={!!dropping}
        onOpenChange={(open) => !open && setDropping(null)}
        title={dropping && <Trans>Delete “{genreName(dropping, i18n.locale)}”?</Trans>}
        description={
          dropping &&
          (dropping.titleCount > 0 ? (
            <Plural value={dropping.titleCount} one="# title loses it. This cannot be undone." other="# titles lose it. This cannot be undone." />
          ) : (
            <Trans>No title carries it. This cannot be undone.</Trans>
          ))
        }
        closeLabel={t`Close`}
        footer={
          <>
            <Button onClick={() => setDropping(null)}>
              <Trans>Keep it</Trans>
            </Button>
            <Button variant="danger" busy={deleting} onClick={() => void drop()}>
              <Trans>Delete</Trans>
            </Button>
          </>
        }
      >
        {null}
      </Dialog>
    </Page>
  );
}

function NewGenre({ onClose }: { onClose: () => void }) {
  const { t } = useLingui();
  const words = useFaultText();
  const [{ fetching }, create] = useMutation(CreateGenre);
  const [names, setNames] = useState({ en: '', ru: '' });
  const [slug, setSlug] = useState<string>();
  const [error, setError] = useState<{ name?: string; slug?: string; all?: string }>({});
  const word = slug ?? slugOf(names.en || names.ru);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const translations = (['en', 'ru'] as const).map((locale) => ({ locale, name: names[locale].trim() })).filter((x) => x.name);
    const wrong = {
      name: translations.length ? undefined : t`Enter a name in at least one language.`,
      slug: /^[a-z0-9-]{2,40}$/.test(word) ? undefined : t`2 to 40 lower-case Latin letters, digits and hyphens.`,
    };
    setError(wrong);
    if (wrong.name || wrong.slug) return event.currentTarget.querySelector<HTMLElement>(wrong.name ? '[name=en]' : '[name=slug]')?.focus();
    const result = await create({ input: { slug: word, translations } });
    if (!result.error) return onClose();
    const fault = toFault(result.error);
    setError(fault.reason === 'SLUG_TAKEN' ? { slug: words(fault) } : { all: words(fault) });
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>New genre</Trans>}
      closeLabel={t`Close`}
      footer={
        <>
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button type="submit" form="new-genre" variant="primary" busy={fetching}>
            <Trans>Make it</Trans>
          </Button>
        </>
      }
    >
      <form id="new-genre" noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Field label={t`Name in English`} error={error.name}>
          {(c) => <Input {...c} name="en" lang="en" maxLength={300} autoFocus value={names.en} onChange={(e) => setNames({ ...names, en: e.target.value })} />}
        </Field>
        <Field label={t`Name in Russian`}>
          {(c) => <Input {...c} name="ru" lang="ru" maxLength={300} value={names.ru} onChange={(e) => setNames({ ...names, ru: e.target.value })} />}
        </Field>
        <Field label={t`Word for addresses`} hint={t`It never changes.`} error={error.slug}>
          {(c) => <Input {...c} name="slug" maxLength={40} spellCheck={false} autoCapitalize="none" value={word} onChange={(e) => setSlug(e.target.value)} />}
        </Field>
        <div role="alert" className="text-sm text-danger empty:hidden">
          {error.all}
        </div>
      </form>
    </Dialog>
  );
}
