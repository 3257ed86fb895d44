/**
 * The float64 references against the trajectories of golden.json, which come from a program of
 * their own.
 */
import { describe, expect, test } from 'vitest';
import { adamW } from '../reference/adamw.js';
import { giAdam } from '../reference/gi-adam.js';
import golden from '../reference/golden.json';
import { lionA } from '../reference/lion-a.js';
import { lionAR } from '../reference/lion-ar.js';
import { neuronsOf } from '../reference/neurons.js';
import { averageLength, omega } from '../reference/radam.js';
import type { Reference, State } from '../reference/reference.js';
import {
  prepareRotation,
  rotationalAdamW,
  rotationalLion,
  rotationalSGDM,
} from '../reference/rotational.js';

const neurons = neuronsOf(golden.shape, [golden.neuronAxis]);
const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

// The cases of golden.json, in its order.
const cases: readonly {
  reference: Reference;
  options: Record<string, number>;
  zeroMean?: boolean;
}[] = [
  { reference: rotationalAdamW({ neurons }), options: adam, zeroMean: true },
  {
    reference: rotationalAdamW({ neurons, updateNormDecay: 0, zeroMean: false }),
    options: { ...adam, beta2: 0.95 },
    zeroMean: false,
  },
  { reference: rotationalSGDM({ neurons }), options: { momentum: 0.9 }, zeroMean: true },
  { reference: rotationalLion({ neurons }), options: { beta1: 0.9, beta2: 0.99 }, zeroMean: true },
  // The program divides by |p| + 1e-8 here too: 2e-12 in these weights.
  {
    reference: lionAR({ neurons, biasCorrection: 'inverse', epsilon: 1e-8 }),
    options: { beta: 0.98 },
    zeroMean: false,
  },
  { reference: giAdam, options: { ...adam, weightDecay: 0 } },
  { reference: adamW, options: { ...adam, weightDecay: 0 } },
  { reference: lionA(), options: { beta: 0.9 } },
  { reference: lionA({ biasCorrection: 'inverse' }), options: { beta: 0.98 } },
];

const farthest = (actual: ArrayLike<number>, expected: readonly number[]) =>
  Math.max(...expected.map((value, i) => Math.abs(value - actual[i])));

describe('golden.json within 1e-12', () => {
  test.each(golden.cases.map(({ kind }, i) => [kind, i] as const))('%s (%i)', (_, i) => {
    const { reference, options, zeroMean } = cases[i];
    const { init, steps, normPerNeuron } = golden.cases[i] as {
      init?: number[][];
      steps: number[][][];
      normPerNeuron?: number[];
    };
    const w = Float64Array.from(golden.w0.flat());
    const state: State = {};
    if (zeroMean !== undefined) prepareRotation({ neurons, zeroMean }, w, state);
    if (init) expect(farthest(w, init.flat())).toBeLessThan(1e-12);
    if (normPerNeuron) expect(farthest(state.norm, normPerNeuron)).toBeLessThan(1e-12);
    golden.grads.forEach((gradient, t) => {
      reference(w, Float64Array.from(gradient.flat()), state, {
        learningRate: golden.eta,
        weightDecay: golden.lambda,
        ...options,
        step: t + 1,
      });
      expect(farthest(w, steps[t].flat())).toBeLessThan(1e-12);
    });
  });
});

test('RAdam: the table of rectifications for beta2 = 0.999', () => {
  expect(averageLength(0.999, 4)).toBeLessThan(4);
  expect(averageLength(0.999, 5)).toBeCloseTo(4.996, 3);
  expect(averageLength(0.999, 6)).toBeGreaterThan(5);
  for (const [t, expected] of [
    [5, 0.0173],
    [10, 0.049],
    [100, 0.2153],
    [1000, 0.6453],
  ])
    expect(Math.abs(omega(0.999, t) - expected)).toBeLessThan(5e-5);
});

test('neurons by axis: last, first, third of four, pairs', () => {
  expect(neuronsOf([2, 3], [1])).toEqual([
    [0, 3],
    [1, 4],
    [2, 5],
  ]);
  expect(neuronsOf([2, 3], [0])).toEqual([
    [0, 1, 2],
    [3, 4, 5],
  ]);
  expect(neuronsOf([1, 2, 2, 2], [2])).toEqual([
    [0, 1, 4, 5],
    [2, 3, 6, 7],
  ]);
  expect(neuronsOf([2, 1, 2, 2], [2, 3])).toEqual([
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
  ]);
  expect(neuronsOf([2, 2, 2], [0, 2])).toEqual([
    [0, 2],
    [1, 3],
    [4, 6],
    [5, 7],
  ]);
});
