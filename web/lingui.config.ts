import { defineConfig } from '@lingui/cli';
import { formatter } from '@lingui/format-po';

export default defineConfig({
  locales: ['en', 'ru'],
  sourceLocale: 'en',
  // Four parts, so that the home page loads the words it needs: what every page
  // has, the viewer's other pages, the admin panel, and what is said while a part
  // of the cinema is away. See src/lib/i18n.ts.
  catalogs: [
    {
      path: '<rootDir>/src/locales/{locale}/base',
      include: ['src/ui', 'src/lib', 'src/app', 'src/features/shell', 'src/features/home', 'src/routes/root.tsx'],
    },
    {
      path: '<rootDir>/src/locales/{locale}/viewer',
      include: ['src/features', 'src/player'],
      exclude: ['src/features/shell/**', 'src/features/home/**', 'src/features/admin/**', 'src/features/away/**'],
    },
    { path: '<rootDir>/src/locales/{locale}/admin', include: ['src/features/admin', 'src/routes/admin*'] },
    { path: '<rootDir>/src/locales/{locale}/away', include: ['src/features/away'] },
  ],
  // Line numbers would change the catalogs with every edit.
  format: formatter({ lineNumbers: false, origins: false }),
});
