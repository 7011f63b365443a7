// Empties dist but for .gitkeep, which the Go build needs when the SPA was not built yet.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

mkdirSync('dist', { recursive: true });
for (const name of readdirSync('dist')) {
  if (name !== '.gitkeep') rmSync(join('dist', name), { recursive: true });
}
