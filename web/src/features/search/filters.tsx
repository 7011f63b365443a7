import { Trans, useLingui } from '@lingui/react/macro';
import { useState, type ReactNode } from 'react';
import { graphql } from '~/gql/gql';
import type { FacetsFragment } from '~/gql/graphql';
import { languageName } from '~/lib/format';
import { filterCount, toggle, type TitleSearch } from '~/lib/title-search';
import { RemovableChip, ToggleChip } from '~/ui/chip';
import { Skeleton } from '~/ui/skeleton';

export const FacetsFields = graphql(/* GraphQL */ `
  fragment Facets on TitleFacets {
    genres { count genre { id name(locale: $locale) } }
    decades { count from }
    kinds { count kind }
    languages { count language }
  }
`);

const ages = [0, 6, 12, 16, 18];

interface Props {
  facets: FacetsFragment | undefined;
  search: TitleSearch;
  onChange: (next: TitleSearch) => void;
}

/** How many chips of a group are shown before “more”. */
const few = 10;

export function FilterPanel({ facets, search, onChange }: Props) {
  const { t, i18n } = useLingui();
  if (!facets) {
    return (
      <div className="flex flex-col gap-6" aria-hidden>
        {[0, 1, 2].map((i) => (
          <div key={i} className="flex flex-wrap gap-2">
            {[20, 28, 24, 32].map((w) => (
              <Skeleton key={w} className="h-9 w-24 rounded-full" />
            ))}
          </div>
        ))}
      </div>
    );
  }
  return (
    <div className="flex flex-col gap-6">
      <Group label={t`Kind`}>
        {facets.kinds.map(({ kind, count }) => (
          <ToggleChip
            key={kind}
            count={count}
            pressed={!!search.kind?.includes(kind)}
            onPress={() => onChange({ ...search, kind: search.kind?.includes(kind) ? undefined : [kind] })}
          >
            {kind === 'FILM' ? t`Films` : t({ message: 'Series', context: 'several' })}
          </ToggleChip>
        ))}
      </Group>
      <Group label={t`Genre`} limit>
        {facets.genres.map(({ genre, count }) => (
          <ToggleChip
            key={genre.id}
            count={count}
            pressed={!!search.genre?.includes(genre.id)}
            onPress={() => onChange({ ...search, genre: toggle(search.genre, genre.id) })}
          >
            {genre.name}
          </ToggleChip>
        ))}
      </Group>
      <Group label={t`Years`} limit>
        {facets.decades.map(({ from, count }) => (
          <ToggleChip
            key={from}
            count={count}
            pressed={!!search.decade?.includes(from)}
            onPress={() => onChange({ ...search, decade: search.decade?.includes(from) ? undefined : [from] })}
          >
            <span className="tabular">
              {from}–{String(from + 9).slice(2)}
            </span>
          </ToggleChip>
        ))}
      </Group>
      <Group label={t`Original language`} limit>
        {facets.languages.map(({ language, count }) => (
          <ToggleChip
            key={language}
            count={count}
            pressed={!!search.lang?.includes(language)}
            onPress={() => onChange({ ...search, lang: toggle(search.lang, language) })}
          >
            {languageName(language, i18n.locale)}
          </ToggleChip>
        ))}
      </Group>
      <Group label={t`Age, at most`}>
        {ages.map((age) => (
          <ToggleChip key={age} pressed={search.age === age} onPress={() => onChange({ ...search, age: search.age === age ? undefined : age })}>
            {age}+
          </ToggleChip>
        ))}
      </Group>
    </div>
  );
}

function Group({ label, limit, children }: { label: string; limit?: boolean; children: ReactNode[] }) {
  const [all, setAll] = useState(false);
  if (children.length === 0) return null;
  const shown = limit && !all ? children.slice(0, few) : children;
  return (
    <div role="group" aria-label={label}>
      <div aria-hidden className="mb-2 text-sm font-medium text-text-2">
        {label}
      </div>
      <div className="flex flex-wrap gap-2">
        {shown}
        {shown.length < children.length && (
          <button type="button" onClick={() => setAll(true)} className="h-11 rounded-full px-3 text-sm text-text-2 hover:text-text-1 pointer-fine:h-9">
            <Trans>{children.length - shown.length} more</Trans>
          </button>
        )}
      </div>
    </div>
  );
}

/** What is in force, each with the way to drop it. */
export function ActiveFilters({ facets, search, onChange }: Props) {
  const { t, i18n } = useLingui();
  if (filterCount(search) === 0) return null;
  const genreName = (id: string) => facets?.genres.find((g) => g.genre.id === id)?.genre.name ?? '…';
  const chips: { key: string; label: string; without: TitleSearch }[] = [
    ...(search.kind ?? []).map((kind) => ({
      key: kind,
      label: kind === 'FILM' ? t`Films` : t({ message: 'Series', context: 'several' }),
      without: { ...search, kind: undefined },
    })),
    ...(search.genre ?? []).map((id) => ({ key: id, label: genreName(id), without: { ...search, genre: toggle(search.genre, id) } })),
    ...(search.decade ?? []).map((from) => ({
      key: String(from),
      label: `${from}–${String(from + 9).slice(2)}`,
      without: { ...search, decade: toggle(search.decade, from) },
    })),
    ...(search.lang ?? []).map((tag) => ({
      key: tag,
      label: languageName(tag, i18n.locale),
      without: { ...search, lang: toggle(search.lang, tag) },
    })),
    ...(search.age === undefined ? [] : [{ key: 'age', label: t`up to ${search.age}+`, without: { ...search, age: undefined } }]),
  ];
  return (
    <div className="mb-4 flex flex-wrap items-center gap-2" role="group" aria-label={t`Filters in force`}>
      {chips.map((chip) => (
        <RemovableChip key={chip.key} removeLabel={t`Drop the filter “${chip.label}”`} onRemove={() => onChange(chip.without)}>
          {chip.label}
        </RemovableChip>
      ))}
      {chips.length > 1 && (
        <button type="button" onClick={() => onChange({ q: search.q })} className="h-11 rounded-full px-3 text-sm text-text-2 hover:text-text-1 pointer-fine:h-9">
          <Trans>Drop all</Trans>
        </button>
      )}
    </div>
  );
}
