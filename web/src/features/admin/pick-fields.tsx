import { Trans, useLingui } from '@lingui/react/macro';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import { useFaultText } from '~/lib/faults';
import { countryName } from '~/lib/format';
import { toast } from '~/ui/toast';
import { Combobox, Picked } from './combobox';
import { genreName, slugOf } from './names';

const Genres = graphql(/* GraphQL */ `
  query AdminGenrePicker { genreRecords { id slug titleCount translations { locale name } } }
`);

const CreateGenre = graphql(/* GraphQL */ `
  mutation CreateGenre($input: CreateGenreInput!) {
    createGenre(input: $input) { record { id version slug titleCount updatedAt translations { locale name } } }
  }
`);

const has = (name: string, part: string) => name.toLowerCase().includes(part.toLowerCase());

interface GenresProps {
  value: { id: string; label: string }[];
  onChange: (next: { id: string; label: string }[]) => void;
}

/** Genres of a title; one that is missing is made on the spot. */
export function GenresField({ value, onChange }: GenresProps) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const [text, setText] = useState('');
  const [{ data, fetching }] = useQuery({ query: Genres });
  const [, create] = useMutation(CreateGenre);
  const typed = text.trim();
  const all = (data?.genreRecords ?? [])
    .map((g) => ({ id: g.id, label: genreName(g, i18n.locale), hint: g.titleCount, words: [g.slug, ...g.translations.map((x) => x.name)] }))
    .sort((a, b) => a.label.localeCompare(b.label, i18n.locale));
  const choices = all.filter((g) => !value.some((v) => v.id === g.id) && (!typed || g.words.some((w) => has(w, typed))));
  const slug = slugOf(typed);
  const known = all.some((g) => g.words.some((w) => w.toLowerCase() === typed.toLowerCase()));
  const make = async () => {
    const result = await create({ input: { slug, translations: [{ locale: i18n.locale, name: typed }] } });
    if (result.error || !result.data) return void toast(words(result.error), { tone: 'danger' });
    onChange([...value, { id: result.data.createGenre.record.id, label: typed }]);
  };
  return (
    <div>
      <Picked items={value} onRemove={(id) => onChange(value.filter((g) => g.id !== id))} removeLabel={(name) => t`Take the genre ${name} off`} />
      <Combobox
        label={t`Add a genre`}
        placeholder={t`Add a genre`}
        text={text}
        onText={setText}
        choices={choices}
        onPick={({ id, label }) => onChange([...value, { id, label }])}
        create={typed && !known && slug.length >= 2 ? { label: <Trans>Make “{typed}”</Trans>, onCreate: () => void make() } : undefined}
        loading={fetching}
        nothing={<Trans>No such genre.</Trans>}
      />
    </div>
  );
}

/** Every code of two letters for which the language has a name of a country. */
function countries(locale: string): { id: string; label: string }[] {
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  // Codes of unions, of no land and of test data are no countries of origin.
  const none = new Set(['EU', 'EZ', 'UN', 'XA', 'XB', 'ZZ', 'QO', 'AC', 'CP', 'CQ', 'DG', 'EA', 'IC', 'TA']);
  const found = letters
    .flatMap((a) => letters.map((b) => a + b))
    .filter((code) => !none.has(code))
    .map((id) => ({ id, label: countryName(id, locale) }))
    .filter(({ id, label }) => label !== id);
  return found.sort((a, b) => a.label.localeCompare(b.label, locale));
}

const lists = new Map<string, { id: string; label: string }[]>();

export function CountriesField({ value, onChange }: { value: string[]; onChange: (next: string[]) => void }) {
  const { t, i18n } = useLingui();
  const [text, setText] = useState('');
  let all = lists.get(i18n.locale);
  if (!all) lists.set(i18n.locale, (all = countries(i18n.locale)));
  const typed = text.trim();
  const choices = all.filter((c) => !value.includes(c.id) && (!typed || has(c.label, typed) || c.id === typed.toUpperCase())).slice(0, 40);
  return (
    <div>
      <Picked
        items={value.map((id) => ({ id, label: countryName(id, i18n.locale) }))}
        onRemove={(id) => onChange(value.filter((c) => c !== id))}
        removeLabel={(name) => t`Take ${name} off`}
      />
      <Combobox
        label={t`Add a country`}
        placeholder={t`Add a country`}
        text={text}
        onText={setText}
        choices={choices.map((c) => ({ ...c, hint: c.id }))}
        onPick={({ id }) => onChange([...value, id])}
        nothing={<Trans>No such country.</Trans>}
      />
    </div>
  );
}
