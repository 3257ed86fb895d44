/** Runs the code of guides and docstrings: a line `expression; // value` must give that value. */
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { transformSync } from 'esbuild';
import ts from 'typescript';
import { expect } from 'vitest';

const root = new URL('../../', import.meta.url);

/** The text of a file of the repository. */
export const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** The blocks of TypeScript in a guide. */
export const blocksOf = (guide: string): string[] =>
  [...read(guide).matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);

/**
 * An example as the body of a function: imports read from `modules`, and a statement with a comment
 * behind it is handed to `same` with the value that the comment claims.
 */
function asBody(example: string): string {
  const source = ts.createSourceFile('example.ts', example, ts.ScriptTarget.ES2022, true);
  let code = '';
  let end = 0;
  const replace = (node: ts.Node, text: string): void => {
    code += example.slice(end, node.getStart()) + text;
    end = node.end;
  };
  const visit = (node: ts.Node): void => {
    const claim = /^ \/\/ (.+)/.exec(example.slice(node.end))?.[1];
    if (ts.isImportDeclaration(node)) replace(node, importAsConstant(node));
    else if (ts.isExpressionStatement(node) && claim)
      replace(node, `same((${node.expression.getText()}), (${claim}));`);
    else ts.forEachChild(node, visit);
  };
  visit(source);
  return code + example.slice(end);
}

function importAsConstant({ importClause, moduleSpecifier }: ts.ImportDeclaration): string {
  const names = importClause!.namedBindings!;
  const target = ts.isNamespaceImport(names)
    ? names.name.text
    : `{ ${names.elements.map((element) => element.name.text).join(', ')} }`;
  return `const ${target} = modules[${moduleSpecifier.getText()}];`;
}

/** Runs an example with the modules that it may import; gives how many values it claims. */
export async function runExample(
  example: string,
  modules: Readonly<Record<string, object>>,
): Promise<number> {
  let asserted = 0;
  const code = asBody(example);
  const same = (actual: unknown, wanted: unknown) => {
    asserted++;
    expect(JSON.parse(JSON.stringify(actual))).toEqual(JSON.parse(JSON.stringify(wanted)));
  };
  await runInNewContext(`(async () => { ${transformSync(code, { loader: 'ts' }).code} })()`, {
    modules,
    same,
    console: { log: () => {} },
  });
  return asserted;
}
