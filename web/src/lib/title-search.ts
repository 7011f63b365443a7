/** The state of the search page, as its address holds it. */
export interface TitleSearch {
  q?: string;
  /** Genre ids. */
  genre?: string[];
  /** First years of decades: 1920 is 1920–1929. */
  decade?: number[];
  kind?: ('FILM' | 'SERIES')[];
  /** Original languages. */
  lang?: string[];
  /** Largest age rating. */
  age?: number;
}

const strings = (value: unknown): string[] =>
  (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(String).filter((s) => s !== '' && s.length <= 100);

/** Reads an address that anyone may have written; what makes no sense is dropped. */
export function readTitleSearch(search: Record<string, unknown>): TitleSearch {
  const out: TitleSearch = {};
  if ((typeof search.q === 'string' || typeof search.q === 'number') && search.q !== '') out.q = String(search.q).slice(0, 200);
  const genre = [...new Set(strings(search.genre))].slice(0, 20);
  if (genre.length) out.genre = genre;
  const decade = [...new Set(strings(search.decade).map(Number))].filter((n) => Number.isInteger(n) && n % 10 === 0 && n >= 1870 && n <= 2100);
  if (decade.length) out.decade = decade.sort((a, b) => a - b);
  const kind = [...new Set(strings(search.kind))].filter((k): k is 'FILM' | 'SERIES' => k === 'FILM' || k === 'SERIES');
  if (kind.length === 1) out.kind = kind;
  const lang = [...new Set(strings(search.lang))].filter((l) => /^[a-z]{2,3}(-[A-Za-z0-9]+)*$/.test(l)).slice(0, 20);
  if (lang.length) out.lang = lang;
  const age = Number(search.age);
  if (search.age !== undefined && Number.isInteger(age) && age >= 0 && age <= 21) out.age = age;
  return out;
}

/** The filter that the API takes; decades become one span of years, as the API knows only spans. */
export function toFilter(search: TitleSearch) {
  const decades = search.decade ?? [];
  return {
    ageRatingMax: search.age ?? null,
    genreIds: search.genre ?? null,
    kinds: search.kind ?? null,
    languages: search.lang ?? null,
    yearFrom: decades.length ? Math.min(...decades) : null,
    yearTo: decades.length ? Math.max(...decades) + 9 : null,
  };
}

/** How many filters are in force; the query is not one. */
export const filterCount = (s: TitleSearch) =>
  (s.genre?.length ?? 0) + (s.decade?.length ?? 0) + (s.kind?.length ?? 0) + (s.lang?.length ?? 0) + (s.age === undefined ? 0 : 1);

/** Adds a value to a list of the search or takes it out; an empty list leaves the address. */
export function toggle<T>(list: readonly T[] | undefined, value: T): T[] | undefined {
  const next = list?.includes(value) ? list.filter((v) => v !== value) : [...(list ?? []), value];
  return next.length ? next : undefined;
}
