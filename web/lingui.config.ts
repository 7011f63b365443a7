import { defineConfig } from '@lingui/cli';
import { formatter } from '@lingui/format-po';

export default defineConfig({
  locales: ['en', 'ru'],
  sourceLocale: 'en',
  // Three parts, so that the home page loads the words it needs: what every page
  // has, the viewer's other pages, and the admin panel. See src/lib/i18n.ts.
  catalogs: [
    {
      path: '<rootDir>/src/locales/{locale}/base',
      include: ['src/ui', 'src/lib', 'src/app', 'src/features/shell', 'src/features/home', 'src/routes/root.tsx'],
    },
    {
      path: '<rootDir>/src/locales/{locale}/viewer',
      include: ['src/features', 'src/player'],
      exclude: ['src/features/shell/**', 'src/features/home/**', 'src/features/admin/**'],
    },
    { path: '<rootDir>/src/locales/{locale}/admin', include: ['src/features/admin', 'src/routes/admin*'] },
  ],
  // Line numbers would change the catalogs with every edit.
  format: formatter({ lineNumbers: false, origins: false }),
});
