/**
 * Weights and gradients for which the formulas divide by nothing: no weight becomes NaN, and what
 * can learn learns.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  AdamW,
  Lion,
  LionA,
  LionAR,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  SGDMomentum,
  type CommonOptions,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, expectSameBits, largest } from '../support/numbers.js';
import { stepWith } from '../support/tensors.js';
import {
  finite,
  neuronNorms,
  places,
  train,
  valuesOf,
  variableOf,
  type Executor,
} from './tools.js';

type Options = CommonOptions & { zeroMean?: boolean };
const rotational: Record<
  string,
  { make: (options: Options) => FusedOptimizer; inner: (options: CommonOptions) => FusedOptimizer }
> = {
  RotationalAdamW: {
    make: (options) => new RotationalAdamW(options),
    inner: (options) => new AdamW(options),
  },
  RotationalSGDM: {
    make: (options) => new RotationalSGDM(options),
    inner: (options) => new SGDMomentum(options),
  },
  RotationalLion: {
    make: (options) => new RotationalLion(options),
    inner: (options) => new Lion(options),
  },
  LionAR: { make: (options) => new LionAR(options), inner: (options) => new LionA(options) },
};
let optimizerNumber = 0;

const rates = { learningRate: 0.01, weightDecay: 0.1 };
const repeat = (g: Float32Array, times: number): Float32Array[] =>
  Array.from({ length: times }, () => g);

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  beforeAll(() => useBackend(backend));

  describe.each(
    Object.keys(rotational).flatMap((name) =>
      [true, false].map((zeroMean) => [name, zeroMean] as const),
    ),
  )('%s, zeroMean %s', (name, zeroMean) => {
    const { make, inner } = rotational[name];
    const options = { ...rates, zeroMean, executor };
    const shape = [6, 4];
    const start = bell(24, 1);

    test('a gradient of zero from the start leaves the weights', () => {
      const weights = train(() => make(options), {
        shape,
        start,
        gradients: repeat(new Float32Array(24), 5),
      });
      expect(distance(weights.at(-1)!, weights[0])).toBeLessThan(1e-6 * largest(start));
    });

    test('a learning rate of 0 leaves the weights, and the state goes on', async () => {
      const variable = variableOf(start, shape);
      const optimizer = make({ ...options, learningRate: (step) => (step < 3 ? 0 : 0.01) });
      optimizer.prepare([variable]);
      const before = valuesOf(variable);
      for (let i = 0; i < 3; i++) stepWith(optimizer, [variable, bell(24, 10 + i)]);
      expect(distance(valuesOf(variable), before)).toBeLessThan(1e-6 * largest(start));
      stepWith(optimizer, [variable, bell(24, 13)]);
      expect(distance(valuesOf(variable), before)).toBeGreaterThan(1e-4);
      expect(optimizer.iterations).toBe(4);
      optimizer.dispose();
      variable.dispose();
    });

    test('neurons without a norm take the plain step of the inner rule, for good; the others turn', () => {
      // Column 0 is zero; column 2 is constant, which has no direction left once it is centred.
      const weights = start.map((value, i) => {
        if (i % 4 === 0) return 0;
        return i % 4 === 2 && zeroMean ? 0.3 : value;
      });
      const plain = zeroMean ? [0, 2] : [0];
      const run = {
        shape,
        start: weights,
        gradients: Array.from({ length: 30 }, (_, t) =>
          bell(24, 50 + t).map((value, i) => value + (i % 3)),
        ),
      };
      const rotated = train(() => make(options), run);
      const expected = train(() => inner({ ...rates, executor }), run);
      rotated.forEach((after, t) => {
        expect(finite(after)).toBe(true);
        for (const column of plain) {
          const [own, other] = [after, expected[t]].map((values) =>
            values.filter((_, i) => i % 4 === column),
          );
          // AdamW's learning rate and bias corrections are one scalar there and two here: the last
          // bit may differ.
          if (name === 'RotationalAdamW')
            expect(distance(own, other)).toBeLessThan(1e-7 * (t + 1) * largest(other) + 1e-12);
          else expectSameBits(own, other, `column ${column} after ${t} steps`);
        }
      });
      const columns = [1, 2, 3]
        .filter((column) => !plain.includes(column))
        .map((column) => Array.from({ length: 6 }, (_, row) => 4 * row + column));
      const [first, last] = [weights, rotated.at(-1)!].map((values) =>
        neuronNorms(values, columns),
      );
      expect(distance(last, first)).toBeLessThan(2e-6 * largest(first));
    });

    test('a layer of zeros learns', () => {
      const weights = train(() => make(options), {
        shape,
        start: new Float32Array(24),
        gradients: repeat(bell(24, 5), 10),
      }).at(-1)!;
      const g = bell(24, 5);
      expect(Array.from(weights).every((value, i) => Math.sign(value) === -Math.sign(g[i]))).toBe(
        true,
      );
      expect(largest(weights)).toBeGreaterThan(0.01);
    });

    test.each([1, 2])('a fan-in of %i', (fanIn) => {
      const description = (() => {
        const variable = variableOf(bell(3 * fanIn, 6), [fanIn, 3]);
        const company = variableOf(bell(24, 7), [6, 4]);
        const optimizer = make(options);
        optimizer.prepare([variable, company]);
        for (let i = 0; i < 10; i++)
          stepWith(optimizer, [variable, bell(3 * fanIn, 20 + i)], [company, bell(24, 40 + i)]);
        const result = { rotates: optimizer.describe()[0].rotational, values: valuesOf(variable) };
        tf.dispose([variable, company]);
        optimizer.dispose();
        return result;
      })();
      expect(description.rotates).toBe(fanIn === 2 && !zeroMean);
      expect(finite(description.values)).toBe(true);
      expect(distance(description.values, bell(3 * fanIn, 6))).toBeGreaterThan(1e-3);
    });

    test('the whole variable follows the inner rule where its neurons are too small', () => {
      const run = {
        shape: [1, 5],
        start: bell(5, 8),
        gradients: Array.from({ length: 10 }, (_, t) => bell(5, 60 + t)),
      };
      const plain = train(() => inner({ ...rates, executor }), run);
      const company = variableOf(bell(24, 7), [6, 4]);
      const variable = variableOf(run.start, run.shape);
      const optimizer = make(options);
      optimizer.prepare([variable, company]);
      run.gradients.forEach((g, t) => {
        stepWith(optimizer, [variable, g]);
        expectSameBits(valuesOf(variable), plain[t + 1], `step ${t}`);
      });
      tf.dispose([variable, company]);
      optimizer.dispose();
    });

    test('rows of an embedding that no gradient reaches stay as they are', () => {
      const name = `embedding${executor}${backend}${zeroMean ? 'centred' : ''}${optimizerNumber++}x/embeddings`;
      const table = bell(5 * 8, 9);
      const seen = new Set([1, 3]);
      const gradients = Array.from({ length: 6 }, (_, t) =>
        bell(40, 70 + t).map((value, i) => (seen.has(Math.floor(i / 8)) ? value : 0)),
      );
      const weights = train(() => make(options), { shape: [5, 8], start: table, gradients, name });
      const after = weights.at(-1)!;
      expect(finite(after)).toBe(true);
      for (let row = 0; row < 5; row++) {
        const moved = distance(
          after.subarray(8 * row, 8 * row + 8),
          weights[0].subarray(8 * row, 8 * row + 8),
        );
        if (seen.has(row)) expect(moved).toBeGreaterThan(1e-3);
        else expect(moved).toBeLessThan(1e-6 * largest(table));
      }
    });

    test('a gradient along the weights, and one that is the same over the fan-in', () => {
      // Weights of 1 and -1 with mean 0: the direction that every rule makes of them is along them.
      const balanced = start.map((_, i) => (Math.floor(i / 4) % 2 ? 1 : -1));
      const along = train(() => make(options), {
        shape,
        start: balanced,
        gradients: repeat(balanced, 4),
      });
      for (const weights of along) expect(distance(weights, balanced)).toBeLessThan(1e-6);
      const constant = train(() => make(options), {
        shape,
        start,
        gradients: repeat(new Float32Array(24).fill(0.5), 4),
      });
      for (const weights of constant) {
        expect(finite(weights)).toBe(true);
        if (zeroMean) expect(distance(weights, constant[0])).toBeLessThan(1e-6 * largest(start));
      }
    });

    test('directions that are nearly along the weights move nothing far', () => {
      for (const share of [1e-2, 1e-3, 1e-4, 1e-5]) {
        const balanced = start.map((_, i) => (Math.floor(i / 4) % 2 ? 1 : -1));
        const noise = bell(24, 3);
        const g = balanced.map((value, i) => value + share * noise[i]);
        const weights = train(() => make(options), {
          shape,
          start: balanced,
          gradients: repeat(g, 5),
        });
        for (const after of weights) {
          expect(finite(after)).toBe(true);
          expect(distance(after, balanced)).toBeLessThan(5 * 0.04 * 3);
        }
      }
    });
  });
});
