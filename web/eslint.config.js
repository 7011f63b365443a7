import js from '@eslint/js';
import a11y from 'eslint-plugin-jsx-a11y';
import hooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import ts from 'typescript-eslint';

/** Imports run one way: ui, lib → features → player → routes → app. */
const layer = (files, rooms, why) => ({
  files,
  rules: {
    'no-restricted-imports': [
      'error',
      { patterns: [{ regex: `^(~|(\\.\\./)+)/?(${rooms})/`, message: why }] },
    ],
  },
});

export default ts.config(
  { ignores: ['dist', 'node_modules', 'src/gql'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  hooks.configs.flat.recommended,
  a11y.flatConfigs.recommended,
  {
    languageOptions: { globals: { ...globals.browser } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
      'jsx-a11y/media-has-caption': 'off', // Subtitles are added by the player when a film has them.
      'jsx-a11y/no-autofocus': 'off', // Used where a page has one thing to do, such as signing in.
    },
  },
  { files: ['scripts/**', '*.config.*'], languageOptions: { globals: { ...globals.node } }, rules: { 'no-console': 'off' } },
  { files: ['public/**'], languageOptions: { sourceType: 'script' } },
  layer(['src/ui/**', 'src/lib/**'], 'features|player|routes|app', 'ui and lib import nothing above them.'),
  layer(['src/features/**', 'src/player/**'], 'routes|app|features', 'Features import ui, lib and their own folder only (relatively).'),
  layer(['src/routes/**'], 'app', 'Routes do not know the app.'),
);
