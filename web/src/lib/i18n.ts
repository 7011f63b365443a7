import { i18n } from '@lingui/core';
import { createStore } from './store';

export const locales = ['en', 'ru'] as const;
export type Locale = (typeof locales)[number];

const key = 'cinema.locale';

const isLocale = (value: unknown): value is Locale => locales.includes(value as Locale);

/** The language of the interface: the profile's, else the one chosen on this device, else the browser's. */
export function pickLocale(profileLocale?: string | null): Locale {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(key);
  } catch {
    // Storage may be closed to us.
  }
  for (const tag of [profileLocale, kept, ...navigator.languages]) {
    const language = tag?.split('-')[0];
    if (isLocale(language)) return language;
  }
  return 'en';
}

export const localeStore = createStore<Locale>('en');

type Messages = Record<string, never>;
/** The parts of the catalogs: `base` is always there, the others come with the pages that need them. */
export type Part = 'base' | 'viewer' | 'admin' | 'away';

const catalogs: Record<Locale, Record<Part, () => Promise<{ messages: Messages }>>> = {
  en: {
    base: () => import('../locales/en/base.po'),
    viewer: () => import('../locales/en/viewer.po'),
    admin: () => import('../locales/en/admin.po'),
    away: () => import('../locales/en/away.po'),
  },
  ru: {
    base: () => import('../locales/ru/base.po'),
    viewer: () => import('../locales/ru/viewer.po'),
    admin: () => import('../locales/ru/admin.po'),
    away: () => import('../locales/ru/away.po'),
  },
};

const parts = new Set<Part>(['base']);

async function load(locale: Locale, part: Part) {
  const { messages } = await catalogs[locale][part]();
  i18n.load(locale, messages);
}

/** Brings the words of a part; pages ask for theirs beside their own code. */
export async function need(part: Part): Promise<void> {
  parts.add(part);
  if (i18n.locale) await load(i18n.locale as Locale, part);
}

/** A page with its words: both are there before it is drawn. */
export async function withWords<T>(part: Part, page: Promise<T>): Promise<T> {
  const [loaded] = await Promise.all([page, need(part)]);
  return loaded;
}

/** Switches the interface to a language once its words are there. */
export async function activate(locale: Locale): Promise<void> {
  await Promise.all([...parts].map((part) => load(locale, part)));
  i18n.activate(locale);
  document.documentElement.lang = locale;
  localeStore.set(locale);
}

/** Remembers a language on this device, for visitors and for profiles that follow the browser. */
export function keepLocale(locale: Locale) {
  try {
    localStorage.setItem(key, locale);
  } catch {
    // It lasts until the page is closed.
  }
}

export { i18n };
