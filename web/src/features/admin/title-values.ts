import type { AdminRecordFragment, CreditKind, UpdateTitleInput } from '~/gql/graphql';

/** A title as the form holds it: numbers as they are typed, relations with their words. */
export interface TitleValues {
  originalName: string;
  originalLanguage: string;
  translations: { locale: string; name: string; tagline: string; description: string }[];
  year: string;
  endYear: string;
  minutes: string;
  ageRating: string;
  countries: string[];
  genres: { id: string; label: string }[];
  credits: CreditValues[];
}

export interface CreditValues {
  personId: string;
  personName: string;
  kind: CreditKind;
  characters: { locale: string; name: string }[];
}

const number = (value: number | null | undefined) => (value == null ? '' : String(value));

export function toValues(record: AdminRecordFragment, names: { genre: (g: AdminRecordFragment['genres'][number]) => string; person: (p: AdminRecordFragment['credits'][number]['person']) => string }): TitleValues {
  // The two languages of the interface are always offered; empty ones are not saved.
  const locales = [...new Set(['en', 'ru', ...record.translations.map((t) => t.locale)])];
  return {
    originalName: record.originalName,
    originalLanguage: record.originalLanguage ?? '',
    translations: locales.map((locale) => {
      const t = record.translations.find((x) => x.locale === locale);
      return { locale, name: t?.name ?? '', tagline: t?.tagline ?? '', description: t?.description ?? '' };
    }),
    year: number(record.year),
    endYear: number(record.endYear),
    minutes: record.durationMs == null ? '' : String(Math.round(record.durationMs / 6_000) / 10),
    ageRating: number(record.ageRating),
    countries: [...record.countries],
    genres: record.genres.map((g) => ({ id: g.id, label: names.genre(g) })),
    credits: record.credits.map((c) => ({
      personId: c.person.id,
      personName: names.person(c.person),
      kind: c.kind,
      characters: c.characters.map(({ locale, name }) => ({ locale, name })),
    })),
  };
}

const orNull = (typed: string) => (typed.trim() === '' ? null : Number(typed.replace(',', '.')));

/** How each field of the form is sent. */
const senders: { [K in keyof TitleValues]: (v: TitleValues) => Partial<UpdateTitleInput> } = {
  originalName: (v) => ({ originalName: v.originalName.trim() }),
  originalLanguage: (v) => ({ originalLanguage: v.originalLanguage || null }),
  translations: (v) => ({ translations: keptTranslations(v) }),
  year: (v) => ({ year: orNull(v.year) }),
  endYear: (v) => ({ endYear: orNull(v.endYear) }),
  minutes: (v) => ({ durationMs: v.minutes.trim() === '' ? null : Math.round(Number(v.minutes.replace(',', '.')) * 60_000) }),
  ageRating: (v) => ({ ageRating: orNull(v.ageRating) }),
  countries: (v) => ({ countries: v.countries }),
  genres: (v) => ({ genreIds: v.genres.map((g) => g.id) }),
  credits: (v) => ({
    credits: v.credits.map((c) => ({
      personId: c.personId,
      kind: c.kind,
      characters: c.characters.filter((x) => x.name.trim()).map((x) => ({ locale: x.locale, name: x.name.trim() })),
    })),
  }),
};

const keptTranslations = (v: TitleValues) =>
  v.translations
    .filter((t) => t.name.trim() || t.tagline.trim() || t.description.trim())
    .map((t) => ({ locale: t.locale, name: t.name.trim(), tagline: t.tagline.trim(), description: t.description.trim() }));

/** The fields that differ from where the form began, as the mutation takes them. What was not touched stays another's. */
export function changesOf(base: TitleValues, now: TitleValues): Partial<UpdateTitleInput> {
  const out: Partial<UpdateTitleInput> = {};
  for (const key of Object.keys(senders) as (keyof TitleValues)[]) {
    const after = senders[key](now);
    if (JSON.stringify(senders[key](base)) !== JSON.stringify(after)) Object.assign(out, after);
  }
  return out;
}
