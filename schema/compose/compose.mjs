// Composes schema/*.graphqls into what the router reads. Writes nothing unless
// the composition succeeds; with --check it compares instead of writing.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import { parse, printSchema, lexicographicSortSchema } from 'graphql';
import { federateSubgraphs, LATEST_ROUTER_COMPATIBILITY_VERSION } from '@wundergraph/composition';
import { buildRouterConfig, SubgraphKind } from '@wundergraph/cosmo-shared';

const dir = join(dirname(fileURLToPath(import.meta.url)), '..');
const names = ['admin', 'auth', 'catalog', 'telemetry'];
const version = LATEST_ROUTER_COMPATIBILITY_VERSION;
const subgraphs = names.map((name) => {
  const sdl = readFileSync(join(dir, `${name}.graphqls`), 'utf8');
  // The router finds each subgraph by its name; the address is set at start.
  return { name, url: `http://${name}.subgraph/graphql`, sdl, definitions: parse(sdl) };
});
const result = federateSubgraphs({ subgraphs, version });
for (const w of result.warnings ?? []) console.error('warning:', w.message);
if (!result.success) {
  for (const e of result.errors) console.error(e.message);
  process.exit(1);
}
const config = buildRouterConfig({
  federatedClientSDL: printSchema(result.federatedGraphClientSchema),
  federatedSDL: printSchema(result.federatedGraphSchema),
  fieldConfigurations: result.fieldConfigurations,
  routerCompatibilityVersion: version,
  schemaVersionId: '',
  subgraphs: subgraphs.map((s) => {
    const c = result.subgraphConfigBySubgraphName.get(s.name);
    return {
      kind: SubgraphKind.Standard,
      id: s.name,
      name: s.name,
      url: s.url,
      sdl: s.sdl,
      schema: c.schema,
      configurationDataByTypeName: c.configurationDataByTypeName,
      subscriptionUrl: s.url,
      subscriptionProtocol: 'sse',
      websocketSubprotocol: 'auto',
    };
  }),
});
const files = {
  'supergraph.json': JSON.stringify(JSON.parse(config.toJsonString()), null, 1) + '\n',
  'api.graphqls':
    '# Generated from the subgraphs\' schemas by schema/compose; do not edit.\n\n' +
    printSchema(lexicographicSortSchema(result.federatedGraphClientSchema)) + '\n',
};
let stale = false;
for (const [name, text] of Object.entries(files)) {
  const path = join(dir, name);
  if (process.argv.includes('--check')) {
    let old = '';
    try { old = readFileSync(path, 'utf8'); } catch { /* missing is stale */ }
    if (old !== text) { stale = true; console.error(`${name} is stale: run make generate`); }
  } else writeFileSync(path, text);
}
process.exit(stale ? 1 : 0);
