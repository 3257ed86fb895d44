/**
 * The numbers of the optimizers: the same bits on every executor where the rule has no sums, and
 * close to the papers' formulas in double.
 */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scalar } from '../../src/compiler/expression.js';
import { evaluate } from '../support/evaluate.js';
import { neuronSum, add, square, tensorSum, mul, sub } from '../../src/compiler/expression.js';
import { defineRule } from '../../src/compiler/define-rule.js';
import {
  AdamW,
  RuleOptimizer,
  SGDMomentum,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { clipFactor as clipFactorOf } from '../../src/rules/global-norm.js';
import { clipFactor } from '../reference/clip-norm.js';
import type { State } from '../reference/reference.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, expectSameBits, gradient, largest } from '../support/numbers.js';
import { optimizerCases } from '../support/optimizers.js';

/** A backend, the option `executor`, and the executor that these give. */
type Place = readonly [backend: 'wasm' | 'cpu', executor: 'auto' | 'ops', name: 'wasm' | 'ops'];
const executors: readonly Place[] = [
  ['wasm', 'auto', 'wasm'],
  ['cpu', 'auto', 'wasm'],
  ['wasm', 'ops', 'ops'],
  ['cpu', 'ops', 'ops'],
];

const adam = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
type Choice = { readonly executor: 'auto' | 'ops' };

/**
 * Rules without sums: those with sums add in another order on each executor, and are compared with
 * their references in test/optimizers/trajectories.test.ts alone.
 */
const elementwise = optimizerCases.filter(
  ({ slots, rotates, sums, reference }) =>
    reference && !rotates && !sums && Object.values(slots).every((domain) => domain === 'element'),
);

const steps = 20;
const size = 1_000_003;
/**
 * Enough elements for every path of a kernel, for the backend on which tfjs operations take 100 ns
 * an element.
 */
const fewer = 50_003;

describe('20 steps', () => {
  let start: Float32Array;
  let gradients: Float32Array[];
  beforeAll(() => {
    start = bell(size, 1);
    gradients = Array.from({ length: steps }, (_, i) => gradient(size, 100 + i));
  }, 60_000);
  afterAll(() => {
    gradients = [];
  });

  /** The weights after the steps; of rank 2, so that they decay. */
  async function train(
    [backend, executor, name]: Place,
    make: (choice: Choice) => FusedOptimizer,
    count = size,
  ): Promise<Float32Array> {
    await useBackend(backend);
    const w = tf.tidy(() => tf.variable(tf.tensor2d(start.slice(0, count), [1, count])));
    const optimizer = make({ executor });
    expect(optimizer.executorName).toBe(name);
    for (const values of gradients) {
      const g = tf.tensor2d(values.slice(0, count), [1, count]);
      optimizer.applyGradients({ [w.name]: g });
      g.dispose();
    }
    const result = w.dataSync<'float32'>().slice();
    optimizer.dispose();
    w.dispose();
    return result;
  }

  it.each(elementwise)(
    '$name: the same bits on every executor, within 1e-6 of the largest weight of the formulas in double',
    async ({ make: create, reference, rates, hyperparameters }) => {
      const make = (choice: Choice): FusedOptimizer => create({ ...rates, ...choice });
      const kernel = await train(executors[0], make);
      expectSameBits(
        await train(executors[1], make),
        kernel,
        'kernels on cpu against kernels on wasm',
      );
      expectSameBits(await train(executors[2], make), kernel, 'operations against kernels on wasm');
      expectSameBits(
        await train(executors[3], make, fewer),
        kernel.slice(0, fewer),
        'operations on cpu against kernels on wasm',
      );

      const w = Float64Array.from(start);
      const state: State = {};
      const step = reference!([]);
      gradients.forEach((g, i) =>
        step(w, Float64Array.from(g), state, { ...rates, ...hyperparameters, step: i + 1 }),
      );
      const { close } = state;
      if (close) expect(close.reduce((total, flag) => total + flag, 0)).toBeLessThan(1e-5 * size);
      expect(distance(kernel, w, (i) => close?.[i] === 1)).toBeLessThan(1e-6 * largest(w));
      expect(distance(kernel, start)).toBeGreaterThan(0.01);
    },
  );
});

describe('AdamW without weight decay against tf.train.adam', () => {
  it.each(executors)(
    'on %s, executor %s: within 2e-4 after 200 steps',
    async (backend, executor) => {
      await useBackend(backend);
      const count = 5003;
      const initial = bell(count, 2);
      const ours = tf.variable(tf.tensor1d(initial.slice()));
      const theirs = tf.variable(tf.tensor1d(initial.slice()));
      const mine = new AdamW({ ...adam, weightDecay: 0, executor });
      const upstream = tf.train.adam(adam.learningRate, adam.beta1, adam.beta2, adam.epsilon);
      for (let i = 0; i < 200; i++) {
        const g = tf.tensor1d(gradient(count, 500 + i));
        mine.applyGradients({ [ours.name]: g });
        upstream.applyGradients([{ name: theirs.name, tensor: g }]);
        g.dispose();
      }
      const [a, b] = [ours.dataSync(), theirs.dataSync()];
      expect(distance(a, b)).toBeLessThan(2e-4);
      expect(distance(a, initial)).toBeGreaterThan(0.1);
      for (const thing of [mine, upstream, ours, theirs]) thing.dispose();
    },
  );
});

describe('clipNorm', () => {
  const shapes = [
    [],
    [1],
    [0],
    [3],
    [5, 7],
    [0, 4],
    [4, 0],
    [4097],
    [13, 17],
    [2, 3, 5],
    [1, 1],
    [3, 3, 4, 5],
    [255],
    [64, 65],
    [9001],
    [33, 1],
    [1, 33],
    [7, 11],
    [2],
    [129],
  ];

  /**
   * The weights that a step of length 1 from 0 leads to: what was made of the gradients, with its
   * sign turned.
   */
  async function scaled(
    [backend, executor]: Place,
    gradients: readonly Float32Array[],
    clipNorm: number,
    sizes: readonly number[][] = shapes,
  ): Promise<Float32Array[]> {
    await useBackend(backend);
    const optimizer = new SGDMomentum({ learningRate: 1, momentum: 0, clipNorm, executor });
    const variables = sizes.map((shape) => tf.tidy(() => tf.variable(tf.zeros(shape))));
    const tensors = gradients.map((g, i) => tf.tensor(g.slice(), sizes[i], 'float32'));
    optimizer.applyGradients(variables.map(({ name }, i) => ({ name, tensor: tensors[i] })));
    const results = variables.map((variable) =>
      variable.dataSync<'float32'>().map((value) => -value),
    );
    for (const thing of [optimizer, ...variables, ...tensors]) thing.dispose();
    return results;
  }

  const sizeOf = (shape: readonly number[]): number =>
    shape.reduce((product, length) => product * length, 1);
  const gradientsOf = (scale: (i: number) => number): Float32Array[] =>
    shapes.map((shape, i) => bell(sizeOf(shape), 40 + i, scale(i)));

  /**
   * The largest relative error of an element; denormal results, which have fewer digits, may be off
   * by their last.
   */
  function relativeError(
    results: readonly Float32Array[],
    gradients: readonly Float32Array[],
    factor: number,
  ): number {
    let most = 0;
    results.forEach((result, i) =>
      result.forEach((value, k) => {
        const expected = gradients[i][k] * factor;
        most = Math.max(most, (Math.abs(value - expected) - 2 ** -149) / (Math.abs(expected) || 1));
      }),
    );
    return most;
  }

  describe.each(executors)('on %s, executor %s', (...place) => {
    it.each([
      ['ordinary gradients', () => 1, 1],
      ['ordinary gradients, a factor near 1', () => 1, 100],
      ['g = 1e25', () => 1e25, 1],
      ['g = 1e25, clipped far down', () => 1e25, 1e-3],
      ['g = 1e-25', () => 1e-25, 1e-26],
      [
        'g = 1e-17 to 1e-13, around the smallest that are squared as they are',
        (i: number) => 10 ** (-17 + (i % 5)),
        1e-16,
      ],
      [
        'g = 1e13 to 1e17, around the largest that are squared as they are',
        (i: number) => 10 ** (13 + (i % 5)),
        10,
      ],
      ['variables from 1e-25 to 1e25', (i: number) => 10 ** (-25 + 10 * (i % 6)), 1e20],
    ] as const)('%s', async (_, scale, clipNorm) => {
      const gradients = gradientsOf(scale);
      const factor = clipFactor(
        gradients.map((g) => Float64Array.from(g)),
        clipNorm,
      );
      expect(factor).toBeLessThan(1);
      const results = await scaled(place, gradients, clipNorm);
      expect(relativeError(results, gradients, factor)).toBeLessThan(1e-6);
      const moved = Math.sqrt(
        results.reduce(
          (total, result) =>
            total + result.reduce((sum, value) => sum + (value / clipNorm) ** 2, 0),
          0,
        ),
      );
      expect(Math.abs(moved - 1)).toBeLessThan(1e-6);
    });

    it('leaves gradients alone whose norm is below clipNorm: to the bit', async () => {
      for (const scale of [1e-3, 1e-25]) {
        const gradients = gradientsOf(() => scale);
        const results = await scaled(place, gradients, 10);
        results.forEach((result, i) => expectSameBits(result, gradients[i], `variable ${i}`));
      }
    });

    it('a zero gradient has the factor 1: no step, and no NaN', async () => {
      const results = await scaled(
        place,
        gradientsOf(() => 0),
        1,
      );
      for (const result of results) expect(result.every((value) => value === 0)).toBe(true);
    });

    it('NaN and infinity do not hide: the weights show them', async () => {
      for (const wrong of [NaN, Infinity, -Infinity]) {
        const gradients = gradientsOf(() => 1);
        gradients[4][17] = wrong;
        const results = await scaled(place, gradients, 1);
        expect(results[4][17]).toBeNaN();
      }
    });

    it('a step without any gradient, or with nothing but empty ones, is a step', async () => {
      await scaled(place, [], 1, []);
      await scaled(place, [new Float32Array(0)], 1, [[0, 3]]);
    });
  });

  it('the factor in double, from the sums', () => {
    const result = clipFactorOf({
      large: scalar('large'),
      middle: scalar('middle'),
      small: scalar('small'),
    });
    const factor = (large: number, middle: number, small: number, clipNorm = 1): number =>
      evaluate(result, { large, middle, small, clipNorm });
    expect(factor(0, 0, 0)).toBe(1);
    expect(factor(0, 4, 0)).toBe(0.5);
    expect(factor(0, 1, 0)).toBe(1);
    expect(factor(NaN, 4, 0)).toBe(NaN);
    expect(factor(0, NaN, 0)).toBe(NaN);
    expect(factor(Infinity, 4, 0)).toBe(0);
  });
});

describe('variables of size 0', () => {
  const rule = defineRule({
    name: 'counting',
    slots: { n: 'neuron', t: 'tensor' },
    update: ({ w, g, n, t }) => ({
      w: sub(w, mul(0.1, g)),
      n: add(add(n, 1), neuronSum(square(g))),
      t: add(add(t, 2), tensorSum(square(g))),
    }),
  });
  it.each(executors)(
    'on %s, executor %s: their neuron and tensor slots live on',
    async (backend, executor) => {
      await useBackend(backend);
      const optimizer = new RuleOptimizer({ rule, learningRate: 1, executor });
      const variable = tf.tidy(() => tf.variable(tf.zeros([0, 3])));
      const g = tf.zeros([0, 3]);
      for (let i = 0; i < 2; i++) optimizer.applyGradients({ [variable.name]: g });
      const weights = await optimizer.getWeights();
      const valuesOf = (slot: string): number[] => [
        ...weights.find(({ name }) => name === `${variable.name}/${slot}`)!.tensor.dataSync(),
      ];
      expect(valuesOf('n')).toEqual([2, 2, 2]);
      expect(valuesOf('t')).toEqual([4]);
      for (const thing of [optimizer, variable, g, ...weights.map(({ tensor }) => tensor)])
        thing.dispose();
    },
  );
});
