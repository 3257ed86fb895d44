/**
 * Weights are centred once, before the first forward pass whose gradient is used, and keep their
 * norm.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { LionAR, RotationalAdamW, RotationalSGDM } from '../../src/optimizers/index.js';
import { neuronsOf } from '../reference/neurons.js';
import { prepareRotation } from '../reference/rotational.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, expectSameBits, largest } from '../support/numbers.js';
import { stepWith } from '../support/tensors.js';
import { neuronNorms, places, slotsOf, valuesOf, variableOf, type Executor } from './tools.js';

const shape = [7, 4];
const start = bell(28, 1).map((value) => value + 0.5);
const neurons = neuronsOf(shape, [1]);
const expected = Float64Array.from(start);
prepareRotation({ neurons }, expected, {});
const rates = { learningRate: 0.01, weightDecay: 0.1 };

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  beforeAll(() => useBackend(backend));

  test('in place, norms kept; twice changes nothing', async () => {
    const variable = variableOf(start, shape);
    const optimizer = new RotationalAdamW({ ...rates, executor });
    optimizer.prepare([variable]);
    const once = valuesOf(variable);
    expect(distance(once, expected)).toBeLessThan(3e-7 * largest(start));
    const norms = neuronNorms(start, neurons);
    expect(distance(neuronNorms(once, neurons), norms)).toBeLessThan(1e-6 * largest(norms));
    expect(distance((await slotsOf(optimizer, variable)).norm, norms)).toBeLessThan(
      1e-6 * largest(norms),
    );
    optimizer.prepare([variable]);
    expectSameBits(valuesOf(variable), once, 'prepared again');
    optimizer.dispose();
    variable.dispose();
  });

  test('without centring only the norms are noted', async () => {
    for (const optimizer of [
      new LionAR({ ...rates, executor }),
      new RotationalSGDM({ ...rates, zeroMean: false, executor }),
    ]) {
      const variable = variableOf(start, shape);
      optimizer.prepare([variable]);
      expectSameBits(valuesOf(variable), start, 'weights');
      const norms = neuronNorms(start, neurons);
      expect(distance((await slotsOf(optimizer, variable)).norm, norms)).toBeLessThan(
        1e-6 * largest(norms),
      );
      optimizer.dispose();
      variable.dispose();
    }
  });

  test.each([true, false])('minimize with a list of variables: %s', (listed) => {
    const variable = variableOf(start, shape);
    const optimizer = new RotationalAdamW({ ...rates, executor });
    const passes: Float32Array[] = [];
    const loss = (): tf.Scalar => {
      passes.push(valuesOf(variable));
      return tf.sum(tf.square(tf.sub(variable, 0.1)));
    };
    const { numTensors } = tf.memory();
    const costs = [1, 2, 3].map(() => {
      const cost = optimizer.minimize(loss, true, listed ? [variable] : undefined)!;
      const value = cost.dataSync()[0];
      cost.dispose();
      return value;
    });
    // Without a list only the loss tells which variables it reads: it is computed once more.
    expect(passes.length).toBe(listed ? 3 : 4);
    const first = passes.at(-3)!;
    expect(distance(first, expected)).toBeLessThan(3e-7 * largest(start));
    const lossOf = (w: ArrayLike<number>) =>
      Array.from(w).reduce((total, value) => total + (value - 0.1) ** 2, 0);
    expect(costs[0]).toBeCloseTo(lossOf(first), 4);
    expect(Math.abs(lossOf(start) - lossOf(first))).toBeGreaterThan(0.1);
    expect(distance(passes.at(-1)!, first)).toBeGreaterThan(1e-4);
    optimizer.dispose();
    // Slots of the ops executor and the count of iterations are gone with the optimizer.
    expect(tf.memory().numTensors - numTensors).toBeLessThanOrEqual(0);
    variable.dispose();
  });

  test('model.fit', async () => {
    const dense = tf.layers.dense({
      units: 4,
      inputShape: [7],
      useBias: true,
      name: `centred${backend}${executor}x`,
    });
    const model = tf.sequential({ layers: [dense] });
    dense.setWeights([tf.tensor(start, shape), tf.zeros([4])]);
    const [x, y] = [tf.tensor(bell(35, 2), [5, 7]), tf.tensor(bell(20, 3), [5, 4])];
    const lossAt = (w: ArrayLike<number>): number =>
      tf.tidy(
        () =>
          tf.losses
            .meanSquaredError(
              y,
              tf.matMul(x, tf.tensor(Float32Array.from(w), shape as [number, number])),
            )
            .dataSync()[0],
      );
    model.compile({
      optimizer: new RotationalAdamW({ ...rates, executor }),
      loss: 'meanSquaredError',
    });
    const { history } = await model.fit(x, y, { epochs: 1, batchSize: 5, verbose: 0 });
    expect(history.loss[0]).toBeCloseTo(lossAt(expected), 4);
    expect(Math.abs(lossAt(start) - lossAt(expected))).toBeGreaterThan(0.01);
    const kernel = dense.getWeights()[0].dataSync<'float32'>();
    expect(distance(kernel, expected)).toBeLessThan(0.1);
    model.dispose();
    tf.dispose([x, y]);
  });

  test.each([0, 2])(
    'not again after loading state that was saved after %i steps',
    async (steps) => {
      const variable = variableOf(start, shape);
      const optimizer = new RotationalAdamW({ ...rates, executor });
      optimizer.prepare([variable]);
      for (let i = 0; i < steps; i++) stepWith(optimizer, [variable, bell(28, 10 + i)]);
      const state = await optimizer.getWeights();
      const again = new RotationalAdamW({ ...rates, executor });
      await again.setWeights(state);
      for (const { tensor } of state) tensor.dispose();
      // Weights that centring would change.
      variable.assign(tf.tidy(() => tf.add(variable, 0.25)));
      const before = valuesOf(variable);
      again.prepare([variable]);
      expectSameBits(valuesOf(variable), before, 'weights');
      for (const thing of [optimizer, again, variable]) thing.dispose();
    },
  );
});
