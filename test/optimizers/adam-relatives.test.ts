/** RAdam's rectification, and what GI-Adam's initial second moments do to the first updates. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  AdamW,
  GIAdam,
  RAdam,
  type FusedOptimizer,
  type GIAdamOptions,
} from '../../src/optimizers/index.js';
import { rectification } from '../../src/rules/radam.js';
import { averageLength, omega, rAdam } from '../reference/radam.js';
import type { State } from '../reference/reference.js';
import {
  places,
  slotsOf,
  train,
  valuesOf,
  variableOf,
  type Executor,
} from '../rotational/tools.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, expectSameBits, largest } from '../support/numbers.js';
import { stepWith } from '../support/tensors.js';

const size = 40;
const zeros = new Float32Array(size);
const gradients = Array.from({ length: 12 }, (_, t) => bell(size, 30 + t));

test("the library's rectification is that of the reference", () => {
  for (const beta2 of [0.9, 0.99, 0.999]) {
    for (const t of [1, 2, 5, 6, 10, 100, 1000, 100_000]) {
      const { length, factor } = rectification(beta2, t);
      const cancellation = 1e-13 / (1 - beta2) ** 2;
      expect(Math.abs(length - averageLength(beta2, t))).toBeLessThan(cancellation + 1e-9);
      if (length > 5) expect(Math.abs(factor / omega(beta2, t) - 1)).toBeLessThan(1e-6);
    }
  }
  // No step before the sixth is rectified, whatever its factor would be.
  for (const [t, expected] of [
    [5, 0.0173],
    [10, 0.049],
    [100, 0.2153],
    [1000, 0.6453],
  ])
    expect(Math.abs(rectification(0.999, t).factor - expected)).toBeLessThan(5e-5);
});

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  beforeAll(() => useBackend(backend));

  describe('RAdam', () => {
    const options = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

    test('five steps of eta m / (1 - beta1^t), then rectified ones', () => {
      const weights = train(() => new RAdam({ ...options, executor }), {
        shape: [size],
        start: zeros,
        gradients,
      });
      const w = new Float64Array(size);
      const m = new Float64Array(size);
      gradients.forEach((g, i) => {
        m.forEach((value, j) => (m[j] = 0.9 * value + 0.1 * g[j]));
        if (i < 5) m.forEach((value, j) => (w[j] -= (0.01 * value) / (1 - 0.9 ** (i + 1))));
        if (i < 5) expect(distance(weights[i + 1], w)).toBeLessThan(1e-6 * largest(w));
      });
      // The sixth step is much smaller: omega_6 = .025.
      const moved = (step: number) => distance(weights[step], weights[step - 1]);
      expect(moved(6)).toBeLessThan(0.1 * moved(5));
    });

    test('2000 small steps, through the whole warmup', () => {
      const small = [8];
      const many = Array.from({ length: 2000 }, (_, t) => bell(8, t));
      const w = Float64Array.from(bell(8, 1));
      const state: State = {};
      many.forEach((g, t) =>
        rAdam(w, Float64Array.from(g), state, { ...options, weightDecay: 0, step: t + 1 }),
      );
      const variable = variableOf(bell(8, 1), small);
      const optimizer = new RAdam({ ...options, executor });
      for (const g of executor === 'ops' ? many.slice(0, 200) : many)
        stepWith(optimizer, [variable, g]);
      if (executor !== 'ops')
        expect(distance(valuesOf(variable), w)).toBeLessThan(3e-5 * largest(w));
      expect(valuesOf(variable).every(Number.isFinite)).toBe(true);
      optimizer.dispose();
      variable.dispose();
    });

    test.each([0, 0.5, 0.6])('beta2 = %f is never rectified', (beta2) => {
      const weights = train(() => new RAdam({ learningRate: 0.01, beta2, executor }), {
        shape: [size],
        start: zeros,
        gradients,
      });
      const plain = train(() => new RAdam({ learningRate: 0.01, beta2: 0.3, executor }), {
        shape: [size],
        start: zeros,
        gradients,
      });
      expectSameBits(weights.at(-1)!, plain.at(-1)!, `beta2 ${beta2}`);
    });
  });

  describe('GIAdam', () => {
    const rate = 0.01;
    const make =
      (options: Partial<GIAdamOptions> = {}) =>
      (): FusedOptimizer =>
        new GIAdam({ learningRate: rate, executor, ...options });
    const constant = bell(size, 1).map((value) => value + Math.sign(value));

    test('a constant gradient: the update is eta sqrt(1 - beta2^t)', () => {
      const variable = variableOf(zeros, [size]);
      const optimizer = make()();
      const table: Record<number, number> = {
        1: 0.0316,
        10: 0.0998,
        100: 0.3086,
        1000: 0.7952,
        2000: 0.9299,
      };
      for (let t = 1; t <= (executor === 'ops' ? 100 : 2000); t++) {
        const before = table[t] && valuesOf(variable);
        stepWith(optimizer, [variable, constant]);
        if (!before) continue;
        const after = valuesOf(variable);
        after.forEach((value, i) => {
          const factor = ((before[i] - value) / rate) * Math.sign(constant[i]);
          expect(Math.abs(factor - table[t])).toBeLessThan(5e-5 + 1e-6 * (largest(after) / rate));
          expect(Math.abs(factor / Math.sqrt(1 - 0.999 ** t) - 1)).toBeLessThan(
            1e-5 + (1e-7 * largest(after)) / rate / factor,
          );
        });
      }
      optimizer.dispose();
      variable.dispose();
    });

    test('with beta2 = .95 the first update is .2236 eta', () => {
      const [start, after] = train(make({ beta2: 0.95 }), {
        shape: [size],
        start: zeros,
        gradients: [constant],
      });
      expect(
        distance(
          after,
          start.map((_, i) => -0.2236 * rate * Math.sign(constant[i])),
        ),
      ).toBeLessThan(1e-4 * rate);
    });

    test('v is that of Adam plus beta2^t g_1^2', async () => {
      const [one, other] = [variableOf(zeros, [size]), variableOf(zeros, [size])];
      const optimizers = [make()(), new AdamW({ learningRate: rate, weightDecay: 0, executor })];
      for (const [i, g] of gradients.entries()) {
        stepWith(optimizers[0], [one, g]);
        stepWith(optimizers[1], [other, g]);
        const [own, adam] = [
          (await slotsOf(optimizers[0], one)).v,
          (await slotsOf(optimizers[1], other)).v,
        ];
        const expected = Float64Array.from(
          adam,
          (value, j) => value + 0.999 ** (i + 1) * gradients[0][j] ** 2,
        );
        own.forEach((value, j) =>
          expect(Math.abs(value - expected[j])).toBeLessThanOrEqual(1e-6 * expected[j]),
        );
      }
      tf.dispose([one, other]);
      for (const optimizer of optimizers) optimizer.dispose();
    });

    test.each([1, 4, 100])('initialScale %i', (initialScale) => {
      const [, after] = train(make({ initialScale }), {
        shape: [size],
        start: zeros,
        gradients: [constant],
      });
      const expected = Float64Array.from(
        constant,
        (g) => -rate * Math.sign(g) * Math.sqrt((1 - 0.999) / (0.999 * initialScale + 0.001)),
      );
      expect(distance(after, expected)).toBeLessThan(1e-6 * largest(expected));
    });

    describe('entries whose first gradient comes late', () => {
      const late = 5;
      const steps = 60;
      /** Every entry has the gradient 1; those from 20 on have none before step 50. */
      const delayed = Array.from({ length: steps }, (_, t) =>
        zeros.map((_, i) => (i < 20 || t >= 50 ? 1 : 0)),
      );
      const largestMove = (options: Partial<GIAdamOptions>, from: number, to: number): number => {
        const weights = train(make(options), { shape: [size], start: zeros, gradients: delayed });
        return Math.max(
          ...weights
            .slice(51)
            .map((after, k) =>
              Math.max(
                ...Array.from({ length: to - from }, (_, i) =>
                  Math.abs(after[from + i] - weights[50 + k][from + i]),
                ),
              ),
            ),
        );
      };

      test("with 'gradient' they start like plain Adam, far above the others", () => {
        expect(largestMove({}, 20, 40)).toBeGreaterThan(late * largestMove({}, 0, 20));
      });

      test("with 'firstNonZeroGradient' they are as small as the others", () => {
        const options = { initialization: 'firstNonZeroGradient' } as const;
        expect(largestMove(options, 20, 40)).toBeLessThanOrEqual(
          largestMove(options, 0, 20) * (1 + 1e-5),
        );
        // What had its first gradient at once does not know the difference.
        const [one, other] = [
          train(make(), { shape: [size], start: zeros, gradients }),
          train(make(options), { shape: [size], start: zeros, gradients }),
        ];
        one.forEach((weights, t) => expectSameBits(other[t], weights, `weights after ${t} steps`));
      });
    });

    describe("initialization 'random'", () => {
      /** What v started at: v_1 = beta2 v_0 + (1 - beta2) g^2. */
      const startOf = async (options: Partial<GIAdamOptions>): Promise<Float64Array> => {
        const variable = variableOf(zeros, [size]);
        const optimizer = make({ initialization: 'random', ...options })();
        stepWith(optimizer, [variable, constant]);
        const { v } = await slotsOf(optimizer, variable);
        optimizer.dispose();
        variable.dispose();
        return Float64Array.from(v, (value, i) => (value - 0.001 * constant[i] ** 2) / 0.999);
      };

      test('its root has the norm of the gradient', async () => {
        const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
        const power = sum(Float64Array.from(constant, (g) => g ** 2));
        expect(Math.abs(sum(await startOf({})) / power - 1)).toBeLessThan(1e-5);
        expect(Math.abs(sum(await startOf({ initialScale: 9 })) / (9 * power) - 1)).toBeLessThan(
          1e-5,
        );
      });

      test('it is drawn from the seed alone, and differs between variables', async () => {
        const [one, again, other] = [
          await startOf({ seed: 3 }),
          await startOf({ seed: 3 }),
          await startOf({ seed: 4 }),
        ];
        expect([...again]).toEqual([...one]);
        expect(distance(other, one)).toBeGreaterThan(0.01);
        const pair = [variableOf(zeros, [size]), variableOf(zeros, [size])];
        const optimizer = make({ initialization: 'random' })();
        stepWith(optimizer, [pair[0], constant], [pair[1], constant]);
        expect(
          distance((await slotsOf(optimizer, pair[0])).v, (await slotsOf(optimizer, pair[1])).v),
        ).toBeGreaterThan(0.01);
        optimizer.dispose();
        tf.dispose(pair);
      });

      test('a gradient of zero gives zeros, not NaN', async () => {
        const [, after] = train(make({ initialization: 'random' }), {
          shape: [size],
          start: bell(size, 1),
          gradients: [zeros],
        });
        expectSameBits(after, bell(size, 1), 'weights');
      });
    });
  });
});
