/** Runs the examples of the docstrings and of the guide, and names what has none. */
import { readdirSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import * as optimizers from '../../src/optimizers/index.js';
import * as weights from '../../src/weights/index.js';
import { useBackend } from '../support/backends.js';
import { blocksOf, read, runExample } from '../support/examples.js';

const run = (code: string) =>
  runExample(code, {
    '@tensorflow/tfjs-core': tf,
    'tfjs-warmup/optimizers': optimizers,
    'tfjs-warmup/weights': weights,
  });

const docstrings = readdirSync(new URL('../../src/weights', import.meta.url)).flatMap((file) =>
  [
    ...read(`src/weights/${file}`).matchAll(/\/\*\*\n((?: \*.*\n)+?) \*\/\nexport function (\w+)/g),
  ].map(([, text, name]) => ({ name, text: text.replaceAll(/^ \* ?/gm, '') })),
);
const examples = docstrings.flatMap(({ name, text }) =>
  text.includes('@example\n') ? [{ name, code: text.split('@example\n')[1] }] : [],
);
const functions = Object.keys(weights);

beforeAll(() => useBackend('wasm'));
afterEach(() => tf.disposeVariables());

describe('each function', () => {
  test.each(['@param', '@returns', '@throws {Error}', '@example'])('has %s', (tag) => {
    const having = docstrings.filter(({ text }) => text.includes(tag)).map(({ name }) => name);
    const missing = functions.filter((name) => !having.includes(name));
    expect(missing, `write ${tag} in the docstring of each of these`).toEqual([]);
  });

  test('is in a table of the guide', () => {
    const missing = functions.filter((name) => !read('docs/weights.md').includes(`\n| \`${name}(`));
    expect(missing, 'add a row for each of these to docs/weights.md').toEqual([]);
  });
});

describe('examples', () => {
  test.each(examples)('$name', async ({ code }) => {
    expect(await run(code)).toBeGreaterThan(0);
  });

  test.each(blocksOf('docs/weights.md').map((code) => ({ code })))(
    'docs/weights.md',
    async (row) => {
      expect(await run(row.code)).toBeGreaterThan(0);
    },
  );
});
