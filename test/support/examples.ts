/** Runs the code of guides and docstrings: a line `expression; // value` must give that value. */
import { readdirSync, readFileSync } from 'node:fs';
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

/** An example in a docstring, and what it stands above. */
export type Example = { readonly name: string; readonly code: string };

/** The examples in the docstrings of a folder: of functions, classes, methods and constants. */
export const examplesIn = (folder: string): Example[] =>
  readdirSync(new URL(folder, root))
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => examplesOf(read(`${folder}/${file}`)));

function examplesOf(text: string): Example[] {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.ES2022, true);
  const examples: Example[] = [];
  const visit = (node: ts.Node): void => {
    for (const comment of ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc)) {
      // The tags of a variable are found again on its parts.
      if (comment.parent !== node) continue;
      const codes = examplesInComment(comment.getText());
      examples.push(...codes.map((code) => ({ name: nameOf(node), code })));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return examples;
}

function nameOf(node: ts.Node): string {
  const named = ts.isVariableStatement(node) ? node.declarationList.declarations[0] : node;
  return (named as { name?: ts.Node }).name?.getText() ?? ts.SyntaxKind[node.kind];
}

/** What stands behind each `@example`, up to the next tag, without the margin of stars. */
function examplesInComment(comment: string): string[] {
  const lines = comment
    .replace(/\s*\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\/?\*+ ?/, ''));
  const [, ...examples] = lines.join('\n').split(/^@example\b/m);
  return examples.map((example) => example.split(/^@\w/m)[0].trim());
}

/** The modules that a user's code imports, by name. */
export type Modules = Readonly<Record<string, object>>;

/**
 * An example as the body of a function: imports read from `modules`, and a statement with a comment
 * behind it is handed to `same` with the value that the comment claims.
 */
function asBody(example: string, modules: Modules): string {
  const source = ts.createSourceFile('example.ts', example, ts.ScriptTarget.ES2022, true);
  let code = '';
  let end = 0;
  const replace = (node: ts.Node, text: string): void => {
    code += example.slice(end, node.getStart()) + text;
    end = node.end;
  };
  const visit = (node: ts.Node): void => {
    const claim = /^ \/\/ (.+)/.exec(example.slice(node.end))?.[1];
    if (ts.isImportDeclaration(node)) replace(node, importAsConstant(node, modules));
    else if (ts.isExpressionStatement(node) && claim)
      replace(node, `same((${node.expression.getText()}), (${claim}));`);
    else ts.forEachChild(node, visit);
  };
  visit(source);
  return code + example.slice(end);
}

/** `import { a, b as c } from 'd'` as `const { a, b: c } = modules['d']`. */
function importAsConstant(
  { importClause, moduleSpecifier }: ts.ImportDeclaration,
  modules: Modules,
): string {
  const { text: from } = moduleSpecifier as ts.StringLiteral;
  const found = modules[from];
  if (!found) throw new Error(`the example imports '${from}', which its test does not hand to it`);
  const names = importClause?.namedBindings;
  if (!names) return '';
  if (ts.isNamespaceImport(names)) return `const ${names.name.text} = modules['${from}'];`;
  const values = names.elements.filter(({ isTypeOnly }) => !isTypeOnly && !importClause.isTypeOnly);
  const imported = values.map(({ name, propertyName }) => ({
    local: name.text,
    exported: (propertyName ?? name).text,
  }));
  return `const { ${imported
    .map(({ local, exported }) => `${exported}: ${local}`)
    .join(', ')} } = modules['${from}'];`;
}

/** Runs an example with the modules that it may import; gives how many values it claims. */
export async function runExample(example: string, modules: Modules): Promise<number> {
  let asserted = 0;
  const code = asBody(example, modules);
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
