import { languageName } from '~/lib/format';

interface Named {
  locale: string;
  name: string;
}

const pick = (translations: readonly Named[], locale: string) =>
  translations.find((t) => t.locale === locale && t.name) ?? translations.find((t) => t.locale === 'en' && t.name);

/** The name of a title or episode in the language of the interface, else in English, else the original. */
export const titleName = (record: { originalName: string; translations: readonly Named[] }, locale: string) =>
  pick(record.translations, locale)?.name ?? record.originalName;

export const personName = (record: { name: string; translations: readonly Named[] }, locale: string) =>
  record.translations.find((t) => t.locale === locale && t.name)?.name ?? record.name;

export const genreName = (record: { slug: string; translations: readonly Named[] }, locale: string) =>
  (pick(record.translations, locale) ?? record.translations[0])?.name ?? record.slug;

/** Languages in which words are kept; a record may hold others besides. */
const offered = ['en', 'ru', 'be', 'cs', 'da', 'de', 'el', 'es', 'et', 'fi', 'fr', 'he', 'hi', 'hu', 'hy', 'it', 'ja', 'ka', 'kk', 'ko', 'lt', 'lv', 'nl', 'no', 'pl', 'pt', 'ro', 'sr', 'sv', 'tr', 'uk', 'vi', 'zh'];

/** Languages to choose from with their names, in the order of the names. */
export const languages = (locale: string, extra: readonly string[] = []) =>
  [...new Set([...offered, ...extra])]
    .map((code) => ({ code, name: languageName(code, locale) }))
    .sort((a, b) => a.name.localeCompare(b.name, locale));

/** A word for addresses out of a name: “Film noir” → film-noir. Cyrillic is written in Latin letters. */
export function slugOf(name: string): string {
  const latin: Record<string, string> = {
    а: 'a', б: 'b', в: 'v', г: 'g', д: 'd', е: 'e', ё: 'e', ж: 'zh', з: 'z', и: 'i', й: 'y', к: 'k', л: 'l', м: 'm', н: 'n', о: 'o',
    п: 'p', р: 'r', с: 's', т: 't', у: 'u', ф: 'f', х: 'kh', ц: 'ts', ч: 'ch', ш: 'sh', щ: 'shch', ъ: '', ы: 'y', ь: '', э: 'e', ю: 'yu', я: 'ya',
  };
  return [...name.toLowerCase()]
    .map((c) => latin[c] ?? c)
    .join('')
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
}
