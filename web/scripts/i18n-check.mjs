// Fails when a text of the program is missing from a catalog or has no translation.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const catalogs = ['en', 'ru'].flatMap((locale) => ['base', 'viewer', 'admin', 'away'].map((part) => `src/locales/${locale}/${part}.po`));
const before = catalogs.map((file) => readFileSync(file, 'utf8'));
execFileSync('npx', ['lingui', 'extract', '--clean'], { stdio: ['ignore', 'ignore', 'inherit'] });
let faults = 0;
// The creation date is the one thing that changes by itself.
const bare = (text) => text.replace(/^"POT-Creation-Date:.*$/m, '');
catalogs.forEach((file, i) => {
  const after = readFileSync(file, 'utf8');
  if (bare(after) !== bare(before[i])) {
    faults++;
    console.error(`${file} is stale: run npm run i18n`);
  }
  writeFileSync(file, before[i]);
  for (const entry of after.split('\n\n')) {
    if (/^#~/m.test(entry)) continue;
    const id = /^msgid "(.*)"$/m.exec(entry)?.[1];
    const text = entry.slice(entry.indexOf('msgstr'));
    if (id && /^msgstr ""\s*$/.test(text.trim())) {
      faults++;
      console.error(`${file}: no translation of "${id}"`);
    }
  }
});
if (faults) process.exit(1);
