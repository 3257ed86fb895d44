/**
 * How to measure a small angle in float32: acos(cos) cannot, three sums and an atan2 in double can.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { LionAR } from '../../src/optimizers/index.js';
import { angleBetween, neuronsOf, pick } from '../reference/neurons.js';
import { useBackend } from '../support/backends.js';
import { bell } from '../support/numbers.js';
import { angleFromSums, places, train, type Executor } from './tools.js';

const shape = [512, 8];
const neurons = neuronsOf(shape, [1]);

/** acos of the cosine, all in float32 on the backend. */
const byCosine = (before: tf.Tensor, after: tf.Tensor): number[] =>
  tf.tidy(() => {
    const norms = tf.mul(tf.norm(before, 2, 0), tf.norm(after, 2, 0));
    return Array.from(
      tf.acos(tf.minimum(1, tf.div(tf.sum(tf.mul(before, after), 0), norms))).dataSync(),
    );
  });

/** Sums in float32 on the backend, the angle from them in double. */
const bySums = (before: tf.Tensor, after: tf.Tensor): number[] =>
  tf.tidy(() => {
    const move = tf.sub(after, before);
    const [a, b, d] = [tf.mul(before, before), tf.mul(before, move), tf.mul(move, move)].map(
      (product) => tf.sum(product, 0).dataSync(),
    );
    return neurons.map((_, k) => angleFromSums(a[k], b[k], d[k]));
  });

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  beforeAll(() => useBackend(backend));

  test.each([3e-4, 1.78e-3, 0.04])('a rotation of %f rad', (rotation) => {
    const run = { shape, start: bell(4096, 1), gradients: [bell(4096, 2)] };
    const [before, after] = train(
      () => new LionAR({ learningRate: 0.01, rotation, exactAngle: true, executor }),
      run,
    ).map((values) => tf.tensor(values, shape));
    const exact = neurons.map((indices) =>
      angleBetween(pick(before.dataSync(), indices), pick(after.dataSync(), indices)),
    );
    const farthest = (angles: number[]) =>
      Math.max(...angles.map((angle, k) => Math.abs(angle / exact[k] - 1)));

    // The weights themselves are float32: some 3e-8 radians are theirs.
    for (const angle of exact)
      expect(Math.abs(angle - rotation)).toBeLessThan(1e-7 + 1e-6 * rotation);
    expect(farthest(bySums(before, after))).toBeLessThan(1e-5);
    if (rotation <= 3e-4) expect(farthest(byCosine(before, after))).toBeGreaterThan(0.1);
    else if (rotation < 2e-3) expect(farthest(byCosine(before, after))).toBeGreaterThan(1e-3);
    tf.dispose([before, after]);
  });
});
