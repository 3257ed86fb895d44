/** The correction of the learning rate from the gradient's signal-to-noise ratio. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  AdamW,
  LionA,
  LionAR,
  rrc,
  type FusedOptimizer,
  type RRC,
  type RRCOptions,
} from '../../src/optimizers/index.js';
import type { State } from '../reference/reference.js';
import { rrcFactor, signalToNoise } from '../reference/rrc.js';
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

const size = 4000;
const steps = 60;
const [zeros, signal] = [new Float32Array(size), bell(size, 1)];

/** Gradients whose mean has `phi` times the power of their noise. */
const gradientsOf = (phi: number, seed = 100, count = steps): Float32Array[] =>
  Array.from({ length: count }, (_, t) =>
    bell(size, seed + t).map((noise, i) => noise + Math.sqrt(phi) * signal[i]),
  );

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  beforeAll(() => useBackend(backend));

  /** The factor of every step, from how far LionA moves without decay. */
  function factorsOf(
    options: RRCOptions,
    gradients: readonly Float32Array[],
    learningRate = 1,
  ): number[] {
    const variable = variableOf(zeros, [size]);
    const optimizer = new LionA({
      learningRate,
      weightDecay: 0,
      matchAdamW: false,
      rrc: rrc(options),
      executor,
    });
    const factors = gradients.map((g) => {
      stepWith(optimizer, [variable, g]);
      // From zero, so that the length of the step is not rounded.
      const moved = largest(valuesOf(variable)) / learningRate;
      variable.assign(variable.zerosLike());
      return moved;
    });
    optimizer.dispose();
    variable.dispose();
    return factors;
  }

  test.each([0.05, 0.5, 4])(
    'a signal-to-noise ratio of %f is found, and gives 1 / sqrt(1 + phi)',
    (phi) => {
      const gradients = gradientsOf(phi);
      const factors = factorsOf({}, gradients);
      const state: State = {};
      const expected = gradients.map((g, i) => rrcFactor({}, g, state, { beta: 0.9, step: i + 1 }));
      expect(distance(factors, expected)).toBeLessThan(1e-5);
      expect(Math.abs(signalToNoise(state)! / phi - 1)).toBeLessThan(phi < 0.1 ? 0.15 : 0.05);
      for (const factor of factors.slice(20))
        expect(Math.abs(factor * Math.sqrt(1 + phi) - 1)).toBeLessThan(0.03);
      // Cautious for the two steps that precede any knowledge: kappa_1 = 1, and a step uses what
      // was known before it.
      expect(factors[0]).toBeCloseTo(0.05, 6);
      expect(factors[1]).toBeCloseTo(0.05, 6);
      expect(factors[2]).toBeGreaterThan(0.06);
    },
  );

  test.each([
    ['all of 1e15', () => 1e15],
    ['all of 2e19', () => 2e19],
    ['all of 1e30', () => 1e30],
    ['1e22 in the third step', (t: number) => (t === 2 ? 1e22 : 1)],
    [
      '1e12 from the tenth step on, once 1e30',
      (t: number) => [1, 1e12, 1e30][Number(t > 8) + Number(t === 15)],
    ],
  ])('gradients whose squares float32 cannot hold, %s: as in float64', (_, scaleAt) => {
    const gradients = gradientsOf(0.5).map((g, t) => g.map((value) => value * scaleAt(t)));
    for (const immediate of [false, true]) {
      const state: State = {};
      const expected = gradients.map((g, i) =>
        rrcFactor({ immediate }, g, state, { beta: 0.9, step: i + 1 }),
      );
      expect(distance(factorsOf({ immediate }, gradients), expected)).toBeLessThan(1e-5);
    }
  });

  test.each([4, 64])(
    'with %i samples a batch: sqrt((1 + phi / B) / (1 + phi)), never below 1 / sqrt(B)',
    (batchSize) => {
      for (const phi of [0.5, 4, 400]) {
        const factors = factorsOf({ batchSize }, gradientsOf(phi));
        for (const factor of factors) {
          expect(factor).toBeGreaterThanOrEqual((1 / Math.sqrt(batchSize)) * (1 - 1e-6));
          expect(factor).toBeLessThanOrEqual(1);
        }
        for (const factor of factors.slice(20))
          expect(Math.abs(factor / Math.sqrt((1 + phi / batchSize) / (1 + phi)) - 1)).toBeLessThan(
            0.03,
          );
      }
    },
  );

  test('a constant gradient gives the minimum, pure noise gives 1', () => {
    const constant = Array.from({ length: 30 }, () => signal);
    expect(factorsOf({}, constant).at(-1)).toBeCloseTo(0.05, 6);
    expect(factorsOf({ batchSize: 16 }, constant).at(-1)).toBeCloseTo(0.25, 5);
    expect(factorsOf({ minimum: 0.3 }, constant).at(-1)).toBeCloseTo(0.3, 6);
    for (const factor of factorsOf({}, gradientsOf(0)).slice(20))
      expect(factor).toBeGreaterThan(0.98);
    expect(factorsOf({ start: 'none' }, gradientsOf(0)).slice(0, 2)).toEqual([1, 1]);
  });

  test('immediate: the factor is that of the step before without it', () => {
    const gradients = gradientsOf(0.5, 100, 12);
    const [late, immediate] = [factorsOf({}, gradients), factorsOf({ immediate: true }, gradients)];
    expect(distance(immediate.slice(0, -1), late.slice(1))).toBeLessThan(1e-6);
  });

  test('a given ratio counts at once, as max(minimum, sqrt((1 + phi / B) / (1 + phi))), without sums', async () => {
    const gradients = gradientsOf(0.5, 100, 4);
    const ratios = [NaN, 0.5, Infinity, 0];
    const given = (options: RRCOptions) =>
      factorsOf({ signalToNoise: (step) => ratios[step], ...options }, gradients);
    expect(distance(given({}), [0.05, Math.sqrt(1 / 1.5), 0.05, 1])).toBeLessThan(1e-6);
    expect(
      distance(given({ batchSize: 16, start: 'none' }), [
        1,
        Math.sqrt((1 + 0.5 / 16) / 1.5),
        0.25,
        1,
      ]),
    ).toBeLessThan(1e-6);
    const variable = variableOf(zeros, [size]);
    const optimizer = new LionA({ learningRate: 1, rrc: rrc({ signalToNoise: 1 }), executor });
    stepWith(optimizer, [variable, gradients[0]]);
    expect(Object.keys(await slotsOf(optimizer, variable)).sort()).toEqual(['count', 'm']);
    optimizer.dispose();
    variable.dispose();
  });

  test('a gradient of zero keeps the factor', async () => {
    for (const immediate of [false, true]) {
      const variable = variableOf(zeros, [size]);
      const optimizer = new LionA({
        learningRate: 1e-3,
        weightDecay: 0,
        rrc: rrc({ immediate }),
        executor,
      });
      for (const g of gradientsOf(0.5, 100, 8)) stepWith(optimizer, [variable, g]);
      const { m: _before, count: _count, ...known } = await slotsOf(optimizer, variable);
      for (let i = 0; i < 3; i++) stepWith(optimizer, [variable, zeros]);
      const { m: _after, count: _later, ...kept } = await slotsOf(optimizer, variable);
      expect(kept).toEqual(known);
      optimizer.dispose();
      variable.dispose();
    }
    // From the start nothing is known, and nothing is divided by.
    const weights = train(() => new LionA({ learningRate: 0.1, rrc: rrc(), executor }), {
      shape: [size],
      start: signal,
      gradients: [zeros, zeros, zeros],
    });
    expect(weights.at(-1)!.every(Number.isFinite)).toBe(true);
  });

  test('bounds, monotony and scale freedom', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 30, noNaN: true }),
        fc.integer({ min: 1, max: 500 }),
        fc.constantFrom(2 ** 20, 2 ** -20, 8),
        fc.integer({ min: 0, max: 1e5 }),
        (phi, batchSize, power, seed) => {
          const gradients = gradientsOf(phi, seed, 10);
          const factors = factorsOf({ batchSize }, gradients);
          for (const factor of factors) {
            expect(factor).toBeGreaterThanOrEqual((1 / Math.sqrt(batchSize)) * (1 - 1e-6));
            expect(factor).toBeLessThanOrEqual(1);
          }
          expect(
            factorsOf(
              { batchSize },
              gradients.map((g) => g.map((value) => value * power)),
            ),
          ).toEqual(factors);
          const noisier = factorsOf({ batchSize }, gradientsOf(phi / 3, seed, 10));
          expect(noisier.at(-1)).toBeGreaterThanOrEqual(factors.at(-1)!);
          expect(factorsOf({ batchSize: batchSize * 2 }, gradients).at(-1)).toBeLessThanOrEqual(
            factors.at(-1)!,
          );
        },
      ),
      { seed: 7, numRuns: executor === 'ops' ? 2 : 6 },
    );
  });

  test('it scales the update, not the decay; and the angle', () => {
    const gradients = Array.from({ length: 4 }, () => signal);
    const rates = { learningRate: 0.1, weightDecay: 0.5 };
    const start = bell(size, 2);
    const lastTwo = (make: () => FusedOptimizer) =>
      train(make, { shape: [size / 8, 8], start, gradients }).slice(-2);
    for (const [make, length] of [
      [
        (correction?: RRC) => new LionA({ ...rates, rrc: correction, executor }),
        0.1 * Math.sqrt(0.1 / 1.9),
      ],
      [(correction?: RRC) => new AdamW({ ...rates, rrc: correction, executor }), 0.1],
    ] as const) {
      const [before, after] = lastTwo(() => make(rrc({ minimum: 0.25 })));
      const expected = Float64Array.from(
        before,
        (value, i) => 0.95 * value - 0.25 * length * Math.sign(signal[i]),
      );
      expect(distance(after, expected, (i) => Math.abs(signal[i]) < 1e-4)).toBeLessThan(
        1e-6 * largest(expected),
      );
    }
    const [before, after] = lastTwo(
      () =>
        new LionAR({ learningRate: 0.01, rotation: 0.08, rrc: rrc({ minimum: 0.25 }), executor }),
    );
    for (let k = 0; k < 8; k++) {
      const column = (values: Float32Array) => values.filter((_, i) => i % 8 === k);
      const [x, y] = [column(before), column(after)];
      const dot = (a: Float32Array, b: Float32Array) =>
        a.reduce((total, value, i) => total + value * b[i], 0);
      expect(
        Math.abs(Math.acos(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y))) - Math.atan(0.02)),
      ).toBeLessThan(1e-6);
    }
  });

  test('with a minimum of 1 nothing changes', () => {
    const run = { shape: [size / 8, 8], start: signal, gradients: gradientsOf(0.5, 1, 4) };
    for (const make of [
      (correction?: RRC) => new AdamW({ learningRate: 0.01, rrc: correction, executor }),
      (correction?: RRC) => new LionA({ learningRate: 0.01, rrc: correction, executor }),
      (correction?: RRC) => new LionAR({ learningRate: 0.01, rrc: correction, executor }),
    ]) {
      const plain = train(() => make(), run);
      train(() => make(rrc({ minimum: 1 })), run).forEach((weights, t) =>
        expectSameBits(weights, plain[t], `weights after ${t} steps`),
      );
    }
  });
});
