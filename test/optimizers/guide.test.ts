/** Runs the code of the guide to optimizers. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import * as optimizers from '../../src/optimizers/index.js';
import * as rules from '../../src/rules/index.js';
import { useBackend } from '../support/backends.js';
import { blocksOf, runExample } from '../support/examples.js';

beforeAll(() => useBackend('wasm'));
afterEach(() => tf.disposeVariables());

const blocks = blocksOf('docs/optimizers.md');

test('there are some', () => expect(blocks.length).toBeGreaterThan(2));

test.each(blocks.map((code) => [code]))('%s', async (code) => {
  await runExample(code, {
    '@tensorflow/tfjs-core': tf,
    'tfjs-warmup/optimizers': optimizers,
    'tfjs-warmup/rules': rules,
  });
});
