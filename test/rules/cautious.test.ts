/** Cautious rules. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { planUpdate } from '../../src/compiler/program.js';
import { registerOptimizers, RuleOptimizer } from '../../src/optimizers/index.js';
import {
  adamW,
  cautious,
  defineRule,
  lion,
  mul,
  nesterov,
  rotationalAdamW,
  sgdMomentum,
  sub,
} from '../../src/rules/index.js';
import { cautiousAdamW, cautiousSGDMomentum } from '../reference/cautious.js';
import { useBackend } from '../support/backends.js';
import { expectSameBits } from '../support/numbers.js';
import { expectAsReference, trainRule } from './tools.js';

const adam = { learningRate: 0.01, weightDecay: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** One step from these weights with these gradients, of a rule with its defaults. */
async function stepOnce(
  rule: ConstructorParameters<typeof RuleOptimizer>[0]['rule'],
  w: number[],
  g: number[],
  weightDecay = 0,
): Promise<number[]> {
  await useBackend('wasm');
  const variable = tf.tidy(() => tf.variable(tf.tensor2d(w, [1, w.length])));
  const optimizer = new RuleOptimizer({ rule, learningRate: 0.5, weightDecay });
  const gradient = tf.tensor2d(g, [1, g.length]);
  optimizer.applyGradients({ [variable.name]: gradient });
  const result = [...variable.dataSync()];
  for (const thing of [optimizer, variable, gradient]) thing.dispose();
  return result;
}

describe('against float64, with the same bits on every executor', () => {
  test('cautious(adamW())', () => expectAsReference(cautious(adamW()), cautiousAdamW, adam));

  test.each([false, true])('cautious(sgdMomentum(%s))', (look) =>
    expectAsReference(cautious(sgdMomentum(look)), cautiousSGDMomentum(look), {
      learningRate: 0.01,
      weightDecay: 0.01,
      momentum: 0.9,
    }),
  );
});

test('two sweeps over the elements around the sum, and one buffer between them', () => {
  for (const rule of [cautious(adamW()), cautious(lion), cautious(nesterov(adamW()))]) {
    const { stages, buffers } = planUpdate(rule, true);
    expect(stages.map(({ domain }) => domain)).toEqual(['element', 'tensor', 'element']);
    expect(stages[0].sums).toHaveLength(1);
    const kept = buffers.filter(({ role, domain }) => role === 'scratch' && domain === 'element');
    expect(kept).toHaveLength(1);
  }
});

test('what disagrees with the gradient waits, and decays; what agrees is scaled up', async () => {
  const against = defineRule({
    name: 'against',
    decoupled: true,
    // Steps down everywhere, whatever the gradient.
    update: ({ w }, s) => ({ w: sub(w, mul(s.learningRate, 1)) }),
  });
  // Three of four agree: 4 / (3 + 1) = 1.
  expect(await stepOnce(cautious(against), [1, 2, 3, 4], [1, 1, -1, 1])).toEqual([
    0.5, 1.5, 3, 3.5,
  ]);
  // One of four agrees: 4 / (1 + 1) = 2; g = 0 does not agree.
  expect(await stepOnce(cautious(against), [1, 2, 3, 4], [1, 0, -1, -1])).toEqual([0, 2, 3, 4]);
  // None agrees: the decay is left.
  expect(await stepOnce(cautious(against), [1, 2, 4, 8], [-1, 0, -1, -1], 0.5)).toEqual([
    0.75, 1.5, 3, 6,
  ]);
});

test('products that would underflow still agree', async () => {
  const tiny = 1e-30;
  const [moved] = await stepOnce(cautious(sgdMomentum(false)), [0], [tiny]);
  expect(moved).toBeCloseTo(-0.5 * 0.5 * tiny, 36);
  expect(moved).toBeLessThan(0);
});

test('the step is exact beside large weights: the decay of AdamW aside, nothing cancels', async () => {
  const [small, large] = [await stepOnce(cautious(lion), [0], [1]), 2 ** 20];
  // One of one: scaled by 1 / 2.
  expect(small).toEqual([-0.25]);
  expect(await stepOnce(cautious(lion), [large], [1])).toEqual([large - 0.25]);
});

test('NaN in a gradient shows', async () => {
  const [, broken] = await stepOnce(cautious(adamW()), [1, 2], [1, NaN]);
  expect(broken).toBeNaN();
});

test('goes with look-ahead, in either order, and with its defaults', async () => {
  const settings = { learningRate: 1e-3 };
  const weights = await trainRule(cautious(nesterov(adamW())), settings);
  expect(weights.every(Number.isFinite)).toBe(true);
  expect((await trainRule(nesterov(cautious(adamW())), settings)).every(Number.isFinite)).toBe(
    true,
  );
  const defaults = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  expectSameBits(
    await trainRule(cautious(nesterov(adamW())), settings, defaults),
    weights,
    'the defaults of the rule',
  );
});

test('a rotational rule is refused by name', () => {
  const form = {
    zeroMean: true,
    perNeuron: true,
    averaged: true,
    equilibriumRate: 'adamw',
  } as const;
  expect(() => cautious(rotationalAdamW(form))).toThrow(
    'cautious: rule must move weights by a step, not turn them by an angle as rotational rules do, ' +
      "got 'rotationalAdamW'",
  );
});

test('a model that was saved with it goes on', async () => {
  await useBackend('wasm');
  const rule = cautious(adamW());
  registerOptimizers({ rules: [rule] });
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4] })] });
  const optimizer = new RuleOptimizer({ rule, learningRate: 0.1, hyperparameters: { beta1: 0.8 } });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  let saved: tf.io.ModelArtifacts | undefined;
  const handler = tf.io.withSaveHandler((artifacts) => {
    saved = artifacts;
    return Promise.resolve({ modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) });
  });
  await model.save(handler, { includeOptimizer: true });
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved!));
  expect(loaded.optimizer.getConfig()).toMatchObject({
    rule: 'cautiousAdamW',
    hyperparameters: { beta1: 0.8, beta2: 0.999, epsilon: 1e-8 },
  });
  const x = tf.tensor2d([[1, 2, 3, 4]]);
  const y = tf.tensor2d([[1, 0, 1]]);
  await model.trainOnBatch(x, y);
  await loaded.trainOnBatch(x, y);
  expect([...loaded.getWeights()[0].dataSync()]).toEqual([...model.getWeights()[0].dataSync()]);
  tf.disposeVariables();
});
