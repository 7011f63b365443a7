import { Trans, useLingui } from '@lingui/react/macro';
import { useEffect, useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '~/gql/gql';
import type { CreditKind } from '~/gql/graphql';
import { useFaultText } from '~/lib/faults';
import { languageName } from '~/lib/format';
import { IconButton } from '~/ui/button';
import { cx } from '~/ui/cx';
import { Input, Select } from '~/ui/field';
import { Icon } from '~/ui/icon';
import { icons } from '~/ui/more-icons';
import { toast } from '~/ui/toast';
import { Combobox } from './combobox';
import { personName } from './names';
import type { CreditValues } from './title-values';

const PeopleChoices = graphql(/* GraphQL */ `
  query AdminPeopleChoices($query: String) {
    personRecords(query: $query, first: 12) { edges { cursor node { id name titleCount translations { locale name } } } }
  }
`);

const CreatePerson = graphql(/* GraphQL */ `
  mutation CreatePerson($input: CreatePersonInput!) {
    createPerson(input: $input) { record { id version name titleCount updatedAt translations { locale name } } }
  }
`);

interface Props {
  value: CreditValues[];
  onChange: (next: CreditValues[]) => void;
  /** Languages in which the title has words. */
  locales: readonly string[];
}

/** Who had a part in it, in order: by buttons, by dragging, by key. */
export function CreditsField({ value, onChange, locales }: Props) {
  const { t, i18n } = useLingui();
  const [dragged, setDragged] = useState<number | null>(null);
  const [said, setSaid] = useState('');
  const kindName: Record<CreditKind, string> = {
    DIRECTOR: t`Director`,
    WRITER: t`Writer`,
    ACTOR: t`Actor`,
    COMPOSER: t`Composer`,
    PRODUCER: t`Producer`,
    CINEMATOGRAPHER: t`Cinematographer`,
  };
  const put = (index: number, change: Partial<CreditValues>) => onChange(value.map((c, i) => (i === index ? { ...c, ...change } : c)));
  const move = (from: number, to: number) => {
    if (to < 0 || to >= value.length || from === to) return;
    const next = [...value];
    const [credit] = next.splice(from, 1);
    if (!credit) return;
    next.splice(to, 0, credit);
    onChange(next);
    setSaid(t`${credit.personName} is number ${to + 1} of ${next.length} now.`);
  };

  return (
    <div>
      {value.length > 0 && (
        <ol className="mb-3 divide-y divide-line rounded-md border border-line">
          {value.map((credit, i) => (
            <li
              key={`${credit.personId} ${credit.kind} ${i}`}
              onDragOver={(event) => {
                if (dragged === null) return;
                event.preventDefault();
              }}
              onDrop={(event) => {
                event.preventDefault();
                if (dragged !== null) move(dragged, i);
                setDragged(null);
              }}
              className={cx('flex flex-wrap items-center gap-2 p-2', dragged === i && 'opacity-50')}
            >
              <span
                draggable
                onDragStart={(event) => {
                  event.dataTransfer.effectAllowed = 'move';
                  setDragged(i);
                }}
                onDragEnd={() => setDragged(null)}
                title={t`Drag to another place`}
                className="hidden cursor-grab text-text-3 pointer-fine:inline-flex"
              >
                <Icon name={icons.grip} size={18} />
              </span>
              <span className="min-w-32 flex-1 truncate text-sm font-medium">{credit.personName}</span>
              <Select aria-label={t`Part of ${credit.personName}`} className="max-w-40" value={credit.kind} onChange={(e) => put(i, { kind: e.target.value as CreditKind })}>
                {Object.entries(kindName).map(([kind, name]) => (
                  <option key={kind} value={kind}>
                    {name}
                  </option>
                ))}
              </Select>
              <span className="flex">
                <IconButton size="sm" icon={icons.up} label={t`Move ${credit.personName} up`} disabled={i === 0} onClick={() => move(i, i - 1)} />
                <IconButton size="sm" icon="down" label={t`Move ${credit.personName} down`} disabled={i === value.length - 1} onClick={() => move(i, i + 1)} />
                <IconButton size="sm" icon="close" label={t`Take ${credit.personName} off`} onClick={() => onChange(value.filter((_, j) => j !== i))} />
              </span>
              {credit.kind === 'ACTOR' && (
                <span className="flex w-full flex-wrap gap-2 pointer-fine:pl-6.5">
                  {locales.map((locale) => (
                    <Input
                      key={locale}
                      aria-label={t`Character of ${credit.personName}, ${languageName(locale, i18n.locale)}`}
                      placeholder={t`Character, ${languageName(locale, i18n.locale)}`}
                      lang={locale}
                      maxLength={300}
                      className="min-w-36 flex-1 pointer-fine:h-9"
                      value={credit.characters.find((c) => c.locale === locale)?.name ?? ''}
                      onChange={(event) =>
                        put(i, {
                          characters: [...credit.characters.filter((c) => c.locale !== locale), { locale, name: event.target.value }].sort((a, b) => locales.indexOf(a.locale) - locales.indexOf(b.locale)),
                        })
                      }
                    />
                  ))}
                </span>
              )}
            </li>
          ))}
        </ol>
      )}
      <PersonPicker
        label={t`Add a person`}
        onPick={(person) => onChange([...value, { personId: person.id, personName: person.name, kind: value.some((c) => c.kind === 'DIRECTOR') ? 'ACTOR' : 'DIRECTOR', characters: [] }])}
      />
      <div role="status" className="sr-only">
        {said}
      </div>
    </div>
  );
}

/** Finds a person by a part of the name, or makes one. */
export function PersonPicker({ label, onPick }: { label: string; onPick: (person: { id: string; name: string }) => void }) {
  const { t, i18n } = useLingui();
  const words = useFaultText();
  const [text, setText] = useState('');
  const [asked, setAsked] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), 150);
    return () => clearTimeout(timer);
  }, [text]);
  const [{ data, fetching }] = useQuery({ query: PeopleChoices, variables: { query: asked }, pause: !asked });
  const [, create] = useMutation(CreatePerson);
  const typed = text.trim();
  const choices =
    typed && data
      ? data.personRecords.edges.map(({ node }) => ({ id: node.id, label: personName(node, i18n.locale), hint: node.titleCount || undefined }))
      : [];
  const make = async () => {
    const result = await create({ input: { name: typed } });
    if (result.error || !result.data) return void toast(words(result.error), { tone: 'danger' });
    const { record } = result.data.createPerson;
    onPick({ id: record.id, name: record.name });
    toast(t`${record.name} is among the people now.`);
  };
  return (
    <Combobox
      label={label}
      placeholder={label}
      text={text}
      onText={setText}
      choices={choices}
      onPick={(choice) => onPick({ id: choice.id, name: choice.label })}
      create={typed && asked === typed && !fetching ? { label: <Trans>Make “{typed}”</Trans>, onCreate: () => void make() } : undefined}
      loading={!!typed && (fetching || asked !== typed)}
      nothing={<Trans>Type a part of a name.</Trans>}
    />
  );
}
