/** Runs the examples of the docstrings and of the guide: a line `expression; // value` must give that value. */

import { readFileSync, readdirSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { transformSync } from 'esbuild';
import { describe, expect, it } from 'vitest';
import * as schedules from '../../src/schedules/index';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

function run(example: string): number {
  let asserted = 0;
  const code = example
    .replaceAll(/^import \{ (.*) \} from 'tfjs-warmup\/schedules';$/gm, 'const { $1 } = schedules;')
    .replaceAll(/^(.+); \/\/ (.+)$/gm, (_, expression: string, value: string) => `same((${expression}), (${value}));`);
  const same = (actual: unknown, wanted: unknown) => {
    asserted++;
    expect(JSON.parse(JSON.stringify(actual))).toEqual(JSON.parse(JSON.stringify(wanted)));
  };
  runInNewContext(`(() => { ${transformSync(code, { loader: 'ts' }).code} })()`, { schedules, same, console: { log: () => {} } });
  return asserted;
}

const files = readdirSync(new URL('src/schedules', root));
const examples = files.flatMap((file) =>
  [...read(`src/schedules/${file}`).matchAll(/@example\n((?: \* ?.*\n)+?) \*\/\nexport (?:function|const) (\w+)/g)].map(([, text, name]) => ({
    name, code: text.replaceAll(/^ \* ?/gm, ''),
  })),
);

describe('examples', () => {
  it('every public function has one', () => {
    const functions = Object.entries(schedules).filter(([, value]) => typeof value === 'function').map(([name]) => name);
    expect(new Set(examples.map(({ name }) => name))).toEqual(new Set(functions));
  });

  it.each(examples)('$name', ({ code }) => {
    expect(run(code)).toBeGreaterThan(0);
  });

  it('docs/schedules.md', () => {
    const blocks = [...read('docs/schedules.md').matchAll(/```ts\n([\s\S]*?)```/g)];
    expect(blocks.length).toBeGreaterThan(0);
    for (const [, code] of blocks) expect(run(code)).toBeGreaterThan(0);
  });
});
