/**
 * What is kept between steps: it goes out and comes back bit for bit, moves between executors, and
 * does not grow.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FusedOptimizer } from '../../src/optimizers/index.js';
import { places, slotsOf, valuesOf, variableOf, type Executor } from '../rotational/tools.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, expectSameBits, largest } from '../support/numbers.js';
import { optimizerCases } from '../support/optimizers.js';
import { stepWith } from '../support/tensors.js';

const rates = { learningRate: 0.01, weightDecay: 0.1 };
const shape = [9, 5];
const sizes = { element: 45, neuron: 5, tensor: 1 };

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  beforeAll(() => useBackend(backend));

  test.each(optimizerCases)(
    '$name: state goes out and comes back, and the run goes on in the same bits',
    async ({ make, slots }) => {
      const variable = variableOf(bell(45, 1), shape);
      const optimizer = make({ ...rates, executor });
      optimizer.prepare([variable]);
      for (let t = 0; t < 5; t++) stepWith(optimizer, [variable, bell(45, 10 + t)]);
      const weights = await optimizer.getWeights();
      const kept = await slotsOf(optimizer, variable);
      expect(Object.keys(kept).sort()).toEqual(['count', ...Object.keys(slots)].sort());
      expect([...kept.count]).toEqual([5]);
      for (const [slot, domain] of Object.entries(slots)) {
        expect(kept[slot].length, slot).toBe(sizes[domain]);
        expect(largest(kept[slot]), slot).toBeGreaterThan(0);
      }

      const again = make({ ...rates, executor });
      await again.setWeights(weights);
      for (const { tensor } of weights) tensor.dispose();
      // Only now the state goes into the executor's own memory.
      again.prepare([variable]);
      const restored = await slotsOf(again, variable);
      for (const [slot, values] of Object.entries(kept))
        expectSameBits(restored[slot], values, slot);

      const copy = valuesOf(variable);
      for (let t = 0; t < 3; t++) stepWith(optimizer, [variable, bell(45, 20 + t)]);
      const expected = valuesOf(variable);
      variable.assign(tf.tidy(() => tf.tensor(copy, shape)));
      for (let t = 0; t < 3; t++) stepWith(again, [variable, bell(45, 20 + t)]);
      expectSameBits(valuesOf(variable), expected, 'weights');
      for (const thing of [optimizer, again, variable]) thing.dispose();
    },
  );

  test.each(optimizerCases)('$name: memory is flat over 500 steps', ({ make }) => {
    const variable = variableOf(bell(45, 1), shape);
    const optimizer = make({ ...rates, clipNorm: 1, executor });
    const gradient = tf.tensor(bell(45, 2), shape);
    optimizer.prepare([variable]);
    const steps = (count: number) => {
      for (let t = 0; t < count; t++)
        optimizer.applyGradients({ [variable.name]: gradient as tf.Variable });
    };
    steps(2);
    const before = tf.memory();
    const heap = heapBytes();
    steps(executor === 'ops' ? 100 : 500);
    const after = tf.memory();
    expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([
      before.numTensors,
      before.numDataBuffers,
      before.numBytes,
    ]);
    expect(heapBytes()).toBe(heap);
    optimizer.dispose();
    variable.dispose();
    gradient.dispose();
  });
});

/** The size of the wasm backend's memory; 0 on others. */
const heapBytes = (): number =>
  (tf.backend() as unknown as { wasm?: { HEAPU8: Uint8Array } }).wasm?.HEAPU8.byteLength ?? 0;

test.each(optimizerCases)('$name moves from wasm to cpu in mid-run', async ({ make }) => {
  await useBackend('wasm');
  const [moved, stayed] = [variableOf(bell(45, 1), shape), variableOf(bell(45, 1), shape)];
  const [mover, stayer] = [make(rates), make(rates)];
  const step = (optimizer: FusedOptimizer, variable: tf.Variable, from: number, to: number) => {
    for (let t = from; t < to; t++) stepWith(optimizer, [variable, bell(45, 10 + t)]);
  };
  mover.prepare([moved]);
  stayer.prepare([stayed]);
  step(stayer, stayed, 0, 8);
  step(mover, moved, 0, 4);
  await useBackend('cpu');
  step(mover, moved, 4, 8);
  expect(distance(valuesOf(moved), valuesOf(stayed))).toBeLessThan(1e-6);
  for (const thing of [mover, stayer, moved, stayed]) thing.dispose();
});
