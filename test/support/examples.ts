/** Runs the code of guides and docstrings: a line `expression; // value` must give that value. */
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { transformSync } from 'esbuild';
import { expect } from 'vitest';

const root = new URL('../../', import.meta.url);

/** The text of a file of the repository. */
export const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** The blocks of TypeScript in a guide. */
export const blocksOf = (guide: string): string[] =>
  [...read(guide).matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);

/** Runs an example with the modules that it may import; gives how many values it claims. */
export async function runExample(
  example: string,
  modules: Readonly<Record<string, object>>,
): Promise<number> {
  let asserted = 0;
  const code = example
    .replaceAll(
      /^import (?:\* as (\w+)|(\{ .* \})) from '(.*)';$/gm,
      (_, all: string | undefined, some: string | undefined, from: string) =>
        `const ${all ?? some} = modules['${from}'];`,
    )
    .replaceAll(
      /^(?!\/\/)(.+); \/\/ (.+)$/gm,
      (_, expression: string, value: string) => `same((${expression}), (${value}));`,
    );
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
