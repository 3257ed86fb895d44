/** Runs the code of the guide to optimizers. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { useBackend } from '../support/backends.js';
import { blocksOf, runExample } from '../support/examples.js';
import { modules } from '../support/modules.js';

beforeAll(() => useBackend('wasm'));
afterEach(() => tf.disposeVariables());

const blocks = blocksOf('docs/optimizers.md');

test('there are some', () => expect(blocks.length).toBeGreaterThan(2));

test.each(blocks.map((code) => [code]))('%s', async (code) => {
  await runExample(code, modules);
});
