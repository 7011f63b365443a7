// A Babel plugin: puts the document that codegen made in place of each graphql(`…`) call. Without it
// the calls look documents up in one map, and every page would load the operations of all pages.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const generated = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src/gql/graphql.ts');

function documents() {
  const found = new Map();
  for (const match of readFileSync(generated, 'utf8').matchAll(/^export const (\w+) = (\{.*\}) as unknown as DocumentNode/gm)) {
    found.set(match[1], match[2]);
  }
  return found;
}

export function inlineDocuments({ types: t, template }) {
  let all = documents();
  return {
    name: 'inline-documents',
    visitor: {
      CallExpression(path, state) {
        if (!path.get('callee').isIdentifier({ name: 'graphql' })) return;
        const text = path.node.arguments[0];
        if (!t.isTemplateLiteral(text) || text.quasis.length !== 1) return;
        const [, kind, name] = /\b(query|mutation|subscription|fragment)\s+(\w+)/.exec(text.quasis[0].value.raw) ?? [];
        const key = kind === 'fragment' ? `${name}FragmentDoc` : `${name}Document`;
        if (!all.has(key)) all = documents(); // Codegen ran since.
        const json = all.get(key);
        if (!json) throw path.buildCodeFrameError(`${key} is not generated: run npm run codegen (${state.filename})`);
        path.replaceWith(template.expression.ast(`(${json})`, { placeholderPattern: false }));
      },
    },
  };
}
