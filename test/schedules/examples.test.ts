/** Runs the examples of the docstrings and of the guide. */

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as schedules from '../../src/schedules/index';
import { blocksOf, read, runExample } from '../support/examples.js';

const run = (code: string) => runExample(code, { 'tfjs-warmup/schedules': schedules });

const files = readdirSync(new URL('../../src/schedules', import.meta.url));
const examples = files.flatMap((file) =>
  [
    ...read(`src/schedules/${file}`).matchAll(
      /@example\n((?: \* ?.*\n)+?) \*\/\nexport (?:function|const) (\w+)/g,
    ),
  ].map(([, text, name]) => ({
    name,
    code: text.replaceAll(/^ \* ?/gm, ''),
  })),
);

describe('examples', () => {
  it('every public function has one', () => {
    const functions = Object.entries(schedules)
      .filter(([, value]) => typeof value === 'function')
      .map(([name]) => name);
    expect(new Set(examples.map(({ name }) => name))).toEqual(new Set(functions));
  });

  it.each(examples)('$name', async ({ code }) => {
    expect(await run(code)).toBeGreaterThan(0);
  });

  it('docs/schedules.md', async () => {
    const blocks = blocksOf('docs/schedules.md');
    expect(blocks.length).toBeGreaterThan(0);
    for (const code of blocks) expect(await run(code)).toBeGreaterThan(0);
  });
});
