// After vite build: compresses the assets and measures the JavaScript that the home page loads first.
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = 'dist';
const limit = 150_000;

for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  const file = join(dist, name);
  if (!statSync(file).isFile() || !/\.(js|css|svg|html|json)$/.test(name)) continue;
  const bytes = readFileSync(file);
  if (bytes.length < 1024) continue;
  const quality = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: quality }));
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
}

const manifest = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'));
const first = new Set();
const visit = (key) => {
  const chunk = manifest[key];
  if (!chunk || first.has(chunk.file)) return;
  first.add(chunk.file);
  for (const next of chunk.imports ?? []) visit(next);
};
visit('index.html');
// What the home page needs beyond the entry: its own route and one catalog (the larger counts).
visit('src/routes/home.lazy.tsx');
const size = (file) => {
  try {
    return statSync(join(dist, `${file}.gz`)).size;
  } catch {
    return statSync(join(dist, file)).size;
  }
};
visit('src/locales/ru/base.po'); // The larger one.
let total = 0;
for (const file of first) {
  total += size(file);
  console.log(`${String(size(file)).padStart(8)} ${file}`);
}
console.log(`home page: ${(total / 1000).toFixed(1)} kB of gzipped JavaScript in ${first.size} files (limit ${limit / 1000} kB)`);
rmSync(join(dist, '.vite'), { recursive: true });
if (total > limit) {
  console.error('home page: over the limit');
  process.exit(1);
}
