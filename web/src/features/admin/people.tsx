import { plural } from '@lingui/core/macro';
import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { useMutation } from 'urql';
import { graphql } from '~/gql/gql';
import type { AdminPeopleQuery } from '~/gql/graphql';
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
import { LoadError, Page, RowsSkeleton } from './page';
import type { PeopleSearch } from './search';
import { SearchBox } from './search-box';
import { usePages } from '~/lib/use-pages';

const PeopleDocument = graphql(/* GraphQL */ `
  query AdminPeople($query: String, $first: Int!, $after: String) {
    personRecords(query: $query, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges { cursor node { id version name titleCount updatedAt translations { locale name } } }
    }
  }
`);
const CreatePerson = graphql(/* GraphQL */ `
  mutation CreatePersonHere($input: CreatePersonInput!) {
    createPerson(input: $input) { record { id version name titleCount updatedAt translations { locale name } } }
  }
`);
const UpdatePerson = graphql(/* GraphQL */ `
  mutation UpdatePerson($input: UpdatePersonInput!) {
    updatePerson(input: $input) { record { id version name titleCount updatedAt translations { locale name } } }
  }
`);
const DeletePerson = graphql(/* GraphQL */ `
  mutation DeletePerson($input: DeletePersonInput!) { deletePerson(input: $input) { deletedId titlesChanged } }
`);

type Person = AdminPeopleQuery['personRecords']['edges'][number]['node'];

export function People({ search }: { search: PeopleSearch }) {
  const { t } = useLingui();
  const words = useFaultText();
  const navigate = useNavigate({ from: '/admin/people' });
  const writes = can('title:write');
  const list = usePages(PeopleDocument, { first: 50, query: search.q ?? null }, (data: AdminPeopleQuery) => data.personRecords);
  const [, update] = useMutation(UpdatePerson);
  const [{ fetching: deleting }, remove] = useMutation(DeletePerson);
  const [creating, setCreating] = useState(false);
  const [dropping, setDropping] = useState<Person | null>(null);
  const total = list.data?.personRecords.totalCount;

  const save = async (person: Person, change: { name?: string; translations?: { locale: string; name: string }[] }) => {
    const result = await update({ input: { id: person.id, version: person.version, ...change } });
    if (!result.error) return true;
    toast(words(result.error), { tone: 'danger' });
    if (toFault(result.error).code === 'CONFLICT') list.again();
    return false;
  };
  const rename = async (person: Person, name: string) => {
    if (name) return save(person, { name });
    toast(t`A person needs a name.`, { tone: 'danger' });
    return false;
  };
  const translate = (person: Person, locale: string, name: string) =>
    save(person, {
      translations: [...person.translations.filter((x) => x.locale !== locale).map((x) => ({ locale: x.locale, name: x.name })), ...(name ? [{ locale, name }] : [])],
    });
  const drop = async () => {
    if (!dropping) return;
    const result = await remove({ input: { id: dropping.id } });
    if (result.error || !result.data) return void toast(words(result.error), { tone: 'danger' });
    const changed = result.data.deletePerson.titlesChanged;
    toast(t`“${dropping.name}” is deleted; ${plural(changed, { one: '# title changed.', other: '# titles changed.' })}`);
    setDropping(null);
  };

  return (
    <Page
      title={t`People`}
      note={total !== undefined && <Plural value={total} one="# person" other="# people" />}
      actions={
        writes && (
          <Button variant="primary" icon="plus" onClick={() => setCreating(true)}>
            <Trans>New person</Trans>
          </Button>
        )
      }
    >
      <div className="mb-3">
        <SearchBox
          label={t`Search people`}
          value={search.q ?? ''}
          onChange={(q) => void navigate({ search: q ? { q } : {}, replace: true, resetScroll: false })}
        />
      </div>
      {list.error && list.nodes.length === 0 ? (
        <LoadError what={<Trans>The people could not be loaded</Trans>} error={list.error} again={list.again} />
      ) : list.loading && list.nodes.length === 0 ? (
        <RowsSkeleton />
      ) : list.nodes.length === 0 ? (
        <EmptyState icon="people" title={search.q ? <Trans>Nobody of that name</Trans> : <Trans>No people yet</Trans>}>
          {search.q ? <Trans>Look for a part of the name in any language.</Trans> : <Trans>Make one here, or in the cast of a title.</Trans>}
        </EmptyState>
      ) : (
        <>
          <Table label={t`People`} className="lg:max-h-[calc(100dvh-210px)]">
            <thead>
              <tr>
                <Th className="min-w-40">
                  <Trans>Name</Trans>
                </Th>
                <Th className="min-w-40">Русский</Th>
                <Th className="min-w-40 max-lg:hidden">English</Th>
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
              {list.nodes.map((person) => (
                <Tr key={person.id}>
                  <Td className="p-1!">
                    <CellInput label={t`Name of ${person.name}`} value={person.name} disabled={!writes} onSave={(name) => rename(person, name)} />
                  </Td>
                  {(['ru', 'en'] as const).map((locale) => (
                    <Td key={locale} className={locale === 'en' ? 'p-1! max-lg:hidden' : 'p-1!'}>
                      <CellInput
                        label={locale === 'en' ? t`${person.name} in English` : t`${person.name} in Russian`}
                        lang={locale}
                        value={person.translations.find((x) => x.locale === locale)?.name ?? ''}
                        disabled={!writes}
                        onSave={(name) => translate(person, locale, name)}
                      />
                    </Td>
                  ))}
                  <Td className="text-right">{person.titleCount}</Td>
                  {writes && (
                    <Td className="w-12 p-1! text-right">
                      <IconButton size="sm" icon={icons.trash} label={t`Delete “${person.name}”`} onClick={() => setDropping(person)} />
                    </Td>
                  )}
                </Tr>
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
      {creating && <NewPerson onClose={() => setCreating(false)} />}
      <Dialog
        open={!!dropping}
        onOpenChange={(open) => !open && setDropping(null)}
        title={dropping && <Trans>Delete “{dropping.name}”?</Trans>}
        description={
          dropping &&
          (dropping.titleCount > 0 ? (
            <Plural value={dropping.titleCount} one="The credit in # title goes too. This cannot be undone." other="The credits in # titles go too. This cannot be undone." />
          ) : (
            <Trans>No title names this person. This cannot be undone.</Trans>
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

function NewPerson({ onClose }: { onClose: () => void }) {
  const { t } = useLingui();
  const words = useFaultText();
  const [{ fetching }, create] = useMutation(CreatePerson);
  const [error, setError] = useState<string>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const name = String(data.get('name')).trim();
    const ru = String(data.get('ru')).trim();
    if (!name) {
      setError(t`Enter a name.`);
      return event.currentTarget.querySelector<HTMLElement>('[name=name]')?.focus();
    }
    const result = await create({ input: { name, translations: ru ? [{ locale: 'ru', name: ru }] : [] } });
    if (result.error) return setError(words(result.error));
    onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={<Trans>New person</Trans>}
      closeLabel={t`Close`}
      footer={
        <>
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button type="submit" form="new-person" variant="primary" busy={fetching}>
            <Trans>Make it</Trans>
          </Button>
        </>
      }
    >
      <form id="new-person" noValidate onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Field label={t`Name`} hint={t`As it is best known internationally.`} error={error}>
          {(c) => <Input {...c} name="name" maxLength={300} autoFocus autoComplete="off" />}
        </Field>
        <Field label={t`Name in Russian`}>{(c) => <Input {...c} name="ru" lang="ru" maxLength={300} autoComplete="off" />}</Field>
      </form>
    </Dialog>
  );
}
