/**
 * Learnable gains and weight standardization: values, gradients, and a model that gets its norms
 * back.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { LionAR, RotationalAdamW } from '../../src/optimizers/index.js';
import { gainedWeight, standardizedWeight, weightStd } from '../../src/weights/index.js';
import { meanOf, neuronsOf, normOf, pick } from '../reference/neurons.js';
import { useBackend } from '../support/backends.js';
import { bell, distance } from '../support/numbers.js';

const places: { shape: number[]; neuronAxis?: number | number[]; axes: number[] }[] = [
  { shape: [5, 3], axes: [1] },
  { shape: [4, 6], neuronAxis: 0, axes: [0] },
  { shape: [3, 3, 4, 2], neuronAxis: 2, axes: [2] },
  { shape: [3, 3, 4, 2], neuronAxis: [2, 3], axes: [2, 3] },
  { shape: [3, 4, 2, 5], neuronAxis: [-4, 2], axes: [0, 2] },
];
const sizeOf = (shape: number[]): number => shape.reduce((product, length) => product * length, 1);

/** The population standard deviation. */
const stdOf = (values: number[]): number =>
  Math.sqrt(meanOf(values.map((value) => (value - meanOf(values)) ** 2)));

describe.each(['wasm', 'cpu'] as const)('%s', (backend) => {
  beforeAll(() => useBackend(backend));

  test.each(places)('$shape, neuron axis $neuronAxis', ({ shape, neuronAxis, axes }) => {
    tf.tidy(() => {
      const values = bell(sizeOf(shape), 1).map((value) => value + 0.3);
      const w = tf.tensor(values, shape);
      const neurons = neuronsOf(shape, axes);
      const gains = bell(neurons.length, 2);
      const gain = tf.tensor1d(gains);
      const options = neuronAxis === undefined ? {} : { neuronAxis };

      const gained = gainedWeight(w, gain, options).dataSync();
      neurons.forEach((indices, k) =>
        expect(
          distance(
            pick(gained, indices),
            pick(values, indices).map((value) => value * gains[k]),
          ),
        ).toBeLessThan(1e-6),
      );

      const initial = neurons.map((indices) => stdOf(pick(values, indices)));
      const initialStd = weightStd(w, options);
      expect(initialStd.shape).toEqual([neurons.length]);
      expect(distance(initialStd.dataSync(), initial)).toBeLessThan(1e-6);
      // The weights have moved on since the start.
      const moved = values.map((value, i) => 3 * value + Math.sin(i));
      const standardized = standardizedWeight(tf.tensor(moved, shape), gain, {
        ...options,
        initialStd,
      }).dataSync();
      neurons.forEach((indices, k) => {
        const own = pick(moved, indices);
        const expected = own.map(
          (value) => (gains[k] * initial[k] * (value - meanOf(own))) / (stdOf(own) + 1e-5),
        );
        expect(distance(pick(standardized, indices), expected)).toBeLessThan(3e-6);
      });
    });
  });

  test('gradients are those of finite differences', () => {
    tf.tidy(() => {
      const [start, direction, weights] = [
        bell(12, 3),
        bell(12, 4),
        tf.tensor(bell(12, 5), [4, 3]),
      ];
      const gain = tf.tensor1d([0.5, -1, 2]);
      const initialStd = tf.tensor1d([0.1, 1, 3]);
      for (const forward of [
        (w: tf.Tensor) => gainedWeight(w, gain),
        (w: tf.Tensor) => standardizedWeight(w, gain, { initialStd }),
      ]) {
        const loss = (w: tf.Tensor) => tf.sum(tf.mul(weights, forward(w))) as tf.Scalar;
        const slope = tf
          .sum(tf.mul(tf.grad(loss)(tf.tensor(start, [4, 3])), tf.tensor(direction, [4, 3])))
          .dataSync()[0];
        const at = (h: number) =>
          loss(
            tf.tensor(
              start.map((value, i) => value + h * direction[i]),
              [4, 3],
            ),
          ).dataSync()[0];
        expect(Math.abs((at(1e-2) - at(-1e-2)) / 2e-2 - slope)).toBeLessThan(
          2e-3 * Math.max(1, Math.abs(slope)),
        );
      }
      const w = tf.tensor(start, [4, 3]);
      const gradient = tf
        .grad((gain: tf.Tensor) => tf.sum(tf.mul(weights, gainedWeight(w, gain))) as tf.Scalar)(
          gain,
        )
        .dataSync();
      const expected = [0, 1, 2].map((j) =>
        [0, 1, 2, 3].reduce(
          (total, i) => total + start[3 * i + j] * weights.dataSync()[3 * i + j],
          0,
        ),
      );
      expect(distance(gradient, expected)).toBeLessThan(1e-5);
    });
  });

  test('a constant neuron gives 0 and a finite gradient', () => {
    tf.tidy(() => {
      const w = tf.mul(0.25, tf.ones([4, 2]));
      const forward = (w: tf.Tensor) => standardizedWeight(w, tf.ones([2]), { initialStd: 0.1 });
      expect([...forward(w).dataSync()]).toEqual(Array.from({ length: 8 }, () => 0));
      const gradient = tf.grad(
        (w: tf.Tensor) => tf.sum(tf.mul(forward(w), tf.tensor(bell(8, 1), [4, 2]))) as tf.Scalar,
      )(w);
      expect(gradient.dataSync().every(Number.isFinite)).toBe(true);
    });
  });

  test('a rotational optimizer turns the kernel, and the gain learns the size', () => {
    const kernel = tf.variable(tf.tensor(bell(12, 6), [6, 2]), true, `gains${backend}x/kernel`);
    const gain = tf.variable(tf.ones([2]), true, `gains${backend}x/gain`);
    const optimizer = new LionAR({ learningRate: 0.1, rotation: 0.02 });
    const target = tf.tensor(bell(12, 7, 3), [6, 2]);
    const norms = () =>
      neuronsOf([6, 2], [1]).map((indices) => normOf(pick(kernel.dataSync(), indices)));
    const before = norms();
    const loss = () => tf.mean(tf.square(tf.sub(gainedWeight(kernel, gain), target))) as tf.Scalar;
    const { numTensors } = tf.memory();
    const costs = Array.from({ length: 200 }, () => {
      const cost = optimizer.minimize(loss, true, [kernel, gain])!;
      const value = cost.dataSync()[0];
      cost.dispose();
      return value;
    });
    expect(tf.memory().numTensors).toBeLessThanOrEqual(numTensors + 1);
    expect(costs.at(-1)).toBeLessThan(0.1 * costs[0]);
    expect(distance(norms(), before)).toBeLessThan(1e-5);
    expect(optimizer.describe().map(({ rotational }) => rotational)).toEqual([true, false]);
    optimizer.dispose();
    tf.dispose([kernel, gain, target]);
  });

  test('standardization and RotationalAdamW', () => {
    const kernel = tf.variable(
      tf.tensor(bell(12, 8), [6, 2]),
      true,
      `standardized${backend}x/kernel`,
    );
    const gain = tf.variable(tf.ones([2]), true, `standardized${backend}x/gain`);
    const initialStd = weightStd(kernel);
    const target = tf.tidy(() =>
      tf.mul(2, standardizedWeight(tf.tensor(bell(12, 9), [6, 2]), tf.ones([2]), { initialStd })),
    );
    const optimizer = new RotationalAdamW({ learningRate: 0.02, weightDecay: 0.3 });
    const loss = () =>
      tf.mean(
        tf.square(tf.sub(standardizedWeight(kernel, gain, { initialStd }), target)),
      ) as tf.Scalar;
    const costs = Array.from({ length: 150 }, () =>
      tf.tidy(() => optimizer.minimize(loss, true, [kernel, gain])!.dataSync()[0]),
    );
    expect(costs.at(-1)).toBeLessThan(0.05 * costs[0]);
    optimizer.dispose();
    tf.dispose([kernel, gain, initialStd, target]);
  });

  test('bad input', () => {
    tf.tidy(() => {
      const w = tf.ones([4, 3]);
      expect(() => gainedWeight(w, tf.ones([4]))).toThrow(
        'gainedWeight: gain must have one value for each of the 3 neurons, got [4]',
      );
      expect(() => gainedWeight(w, tf.ones([3]), { neuronAxis: 2 })).toThrow(
        'gainedWeight: neuronAxis must name one axis or two different ones of the shape [4,3], got 2',
      );
      expect(() => weightStd(w, { neuronAxis: 'last' } as never)).toThrow(
        "weightStd: neuronAxis must be an axis or a list of axes, got 'last'",
      );
      expect(() => gainedWeight(w, tf.ones([3]), { axis: 1 } as never)).toThrow(
        "gainedWeight: unknown option 'axis', allowed are neuronAxis",
      );
      expect(() => standardizedWeight(w, tf.ones([3]), {} as never)).toThrow(
        'standardizedWeight: initialStd must be a number or what weightStd gave, got undefined',
      );
      expect(() => standardizedWeight(w, tf.ones([3]), { initialStd: 0 })).toThrow(
        'standardizedWeight: initialStd must lie in (0, Infinity), got 0',
      );
      expect(() => standardizedWeight(w, tf.ones([3]), { initialStd: tf.ones([2]) })).toThrow(
        'standardizedWeight: initialStd must have one value for each of the 3 neurons, got [2]',
      );
      expect(() => standardizedWeight(w, tf.ones([3]), { initialStd: 1, epsilon: 0 })).toThrow(
        'standardizedWeight: epsilon must lie in (0, Infinity), got 0',
      );
      expect(() => weightStd(w, { neuronAxis: [0, 1, 1] })).toThrow('weightStd: neuronAxis');
    });
  });
});
