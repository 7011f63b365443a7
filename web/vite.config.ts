import { fileURLToPath } from 'node:url';
import { lingui } from '@lingui/vite-plugin';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { inlineDocuments } from './scripts/inline-documents.mjs';

/** Where the program listens while the SPA is being developed. */
const program = process.env.CINEMA_ADDRESS ?? 'http://127.0.0.1:8080';

/** Small modules that the home page and nearly every other need; nothing with a library that one of them goes without. */
const everywhere =
  /\/src\/(lib\/(events\/|api\/transport|i18n|session|standing|store|theme|faults|format|page|paths|present|online|title-search|uuid7)|ui\/(avatar|brand|cx|icon|lazy-menu|menu-class|picture|progress|scroller|skeleton|states|toast)\.)/;

export default defineConfig({
  plugins: [react({ babel: { plugins: [inlineDocuments, '@lingui/babel-plugin-lingui-macro'] } }), lingui(), tailwindcss()],
  resolve: { alias: { '~': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/graphql': { target: program, ws: true },
      '/media': program,
      '/images': program,
      '/uploads': program,
      '/playground': program,
      '/signin/with': program,
    },
  },
  build: {
    target: 'es2022',
    manifest: true,
    sourcemap: false,
    assetsInlineLimit: 0,
    emptyOutDir: false,
    rolldownOptions: {
      output: {
        // What every page needs is one file: small ones apart are larger together, and each is a request.
        codeSplitting: { groups: [{ name: 'base', test: everywhere }] },
      },
    },
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['src/test/setup.ts'],
    restoreMocks: true,
    testTimeout: 20_000,
    css: false,
  },
});
