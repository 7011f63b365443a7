import { createStore } from './store';

export type Theme = 'dark' | 'light' | 'system';

const key = 'cinema.theme'; // public/theme.js reads it before the first paint.

function kept(): Theme {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'system' ? value : 'dark';
  } catch {
    return 'dark';
  }
}

export const themeStore = createStore<Theme>(kept());

const light = () => window.matchMedia('(prefers-color-scheme: light)');

function apply() {
  const theme = themeStore.get();
  const shown = theme === 'system' ? (light().matches ? 'light' : 'dark') : theme;
  document.documentElement.dataset.theme = shown;
  document
    .querySelector('meta[name=theme-color]')
    ?.setAttribute('content', getComputedStyle(document.documentElement).getPropertyValue('--surface-0').trim());
}

export function setTheme(theme: Theme) {
  try {
    localStorage.setItem(key, theme);
  } catch {
    // It lasts until the page is closed.
  }
  themeStore.set(theme);
}

/** Keeps the document in the chosen theme, following the system where that was chosen. */
export function startTheme() {
  apply();
  themeStore.subscribe(apply);
  light().addEventListener('change', apply);
}
