import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { classes, features, readImages } from '../../bench/sharpness-study/data.js';
import { Network } from '../../bench/sharpness-study/network.js';
import { useBackend } from '../../bench/support/backend.js';
import { hessianVectorProduct } from '../../src/probes/hessian-vector-product.js';

beforeAll(() => useBackend('wasm'));

describe('the images', () => {
  it('have a mean of 0 for each pixel, a variance of 1 over all, and one class each', async () => {
    const { samples, inputs, targets } = await readImages(500);
    expect([samples, inputs.length, targets.length]).toEqual([500, 500 * features, 500 * classes]);
    const sums = new Float64Array(features);
    inputs.forEach((x, i) => (sums[i % features] += x));
    for (const sum of sums) expect(sum / samples).toBeCloseTo(0, 5);
    expect(inputs.reduce((sum, x) => sum + x * x, 0) / inputs.length).toBeCloseTo(1, 5);
    const labels = Array.from({ length: samples }, (_, i) =>
      targets.slice(i * classes, (i + 1) * classes),
    );
    expect(
      labels.every(
        (row) =>
          row.filter((x) => x === 1).length === 1 &&
          row.filter((x) => x === 0).length === classes - 1,
      ),
    ).toBe(true);
    // Fashion-MNIST starts with an ankle boot and a T-shirt.
    expect(labels.slice(0, 2).map((row) => row.indexOf(1))).toEqual([9, 0]);
    expect(new Set(labels.map((row) => row.indexOf(1))).size).toBe(classes);
  });

  it.each([0, 5001, 1.5])('are 1 to 5000, not %s', async (samples) => {
    await expect(readImages(samples)).rejects.toThrow(
      `study: --samples must be a whole number from 1 to 5000, got ${samples}`,
    );
  });
});

describe('the network', () => {
  /** The same loss by tfjs's own products. */
  const plainLoss =
    (
      {
        inputs,
        targets,
        samples,
      }: { inputs: Float32Array; targets: Float32Array; samples: number },
      variables: readonly tf.Variable[],
    ) =>
    (): tf.Scalar => {
      const x = tf.tensor2d(inputs, [samples, features]);
      const output = variables.reduce(
        (x: tf.Tensor, w, layer) => tf.matMul(layer > 0 ? tf.relu(x) : x, w),
        x,
      );
      return tf.div(
        tf.sum(tf.squaredDifference(output, tf.tensor2d(targets, [samples, classes]))),
        2 * samples,
      );
    };

  it('has the loss, gradient and Hessian of the plain formula', async () => {
    const images = await readImages(20);
    const network = new Network(images, 'SP', 8, 3);
    const { variables } = network;
    expect(variables.map(({ shape }) => shape)).toEqual([
      [features, 8],
      [8, 8],
      [8, 8],
      [8, classes],
    ]);
    const vectors = variables.map(({ shape }, i) => tf.randomNormal(shape, 0, 1, 'float32', i));
    const all = (loss: () => tf.Scalar): number[] =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(loss, variables as tf.Variable[]);
        return [
          value,
          ...variables.map(({ name }) => grads[name]),
          ...hessianVectorProduct(loss, variables, vectors),
        ].flatMap((tensor) => [...tensor.dataSync()]);
      });
    const [expected, actual] = [plainLoss(images, variables), network.loss].map(all);
    const largest = Math.max(...expected.map(Math.abs));
    expect(Math.max(...actual.map((x, i) => Math.abs(x - expected[i])))).toBeLessThan(
      1e-5 * largest,
    );
    tf.dispose(vectors);
    network.dispose();
  });

  it('is the same for a seed but for the last layer, which muP starts smaller, and leaves no tensor', async () => {
    const images = await readImages(20);
    const before = tf.memory().numTensors;
    const deviations = (['SP', 'muP-like'] as const).map((parametrization) => {
      const network = new Network(images, parametrization, 64, 1);
      const found = network.variables.map((variable) =>
        Math.sqrt(
          variable.dataSync<'float32'>().reduce((sum, x) => sum + x * x, 0) / variable.size,
        ),
      );
      network.dispose();
      return found;
    });
    expect(tf.memory().numTensors).toBe(before);
    expect(deviations[1].slice(0, 3)).toEqual(deviations[0].slice(0, 3));
    expect(deviations[0][3] / deviations[1][3]).toBeCloseTo(8, 4);
    [Math.sqrt(2 / features), Math.sqrt(2 / 64), Math.sqrt(2 / 64), Math.sqrt(1 / 64)].forEach(
      (expected, i) => expect(Math.abs(deviations[0][i] / expected - 1)).toBeLessThan(0.1),
    );
  });
});
