/** Runs the examples of the docstrings and of the guide. */

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as schedules from '../../src/schedules/index';
import { blocksOf, read, runExample } from '../support/examples.js';

const run = (code: string) => runExample(code, { 'tfjs-warmup/schedules': schedules });

const docstrings = readdirSync(new URL('../../src/schedules', import.meta.url)).flatMap((file) =>
  [
    ...read(`src/schedules/${file}`).matchAll(
      /\/\*\*\n((?: \*.*\n)+?) \*\/\nexport (?:function|const) (\w+)/g,
    ),
  ].map(([, text, name]) => ({ name, text: text.replaceAll(/^ \* ?/gm, '') })),
);
const examples = docstrings.flatMap(({ name, text }) =>
  text.includes('@example\n') ? [{ name, code: text.split('@example\n')[1] }] : [],
);

describe('docstrings', () => {
  const functions = Object.entries(schedules)
    .filter(([, value]) => typeof value === 'function')
    .map(([name]) => name);

  it.each(['@param', '@returns', '@throws {Error}', '@example'])('all have %s', (tag) => {
    const having = docstrings.filter(({ text }) => text.includes(tag)).map(({ name }) => name);
    const missing = functions.filter((name) => !having.includes(name));
    expect(missing, `write ${tag} in the docstring of each of these`).toEqual([]);
  });
});

describe('examples', () => {
  it.each(examples)('$name', async ({ code }) => {
    expect(await run(code)).toBeGreaterThan(0);
  });

  it('docs/schedules.md', async () => {
    const blocks = blocksOf('docs/schedules.md');
    expect(blocks.length).toBeGreaterThan(0);
    for (const code of blocks) expect(await run(code)).toBeGreaterThan(0);
  });
});
