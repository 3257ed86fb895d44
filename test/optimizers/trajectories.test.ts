/**
 * Twenty steps of every optimizer in every setting against its float64 reference: within 1e-6 of the
 * largest weight.
 *
 * Where c = b1 m + (1 - b1) g is all cancellation, float32 may see its sign otherwise. Plain sign
 * rules leave such an element out. A rotational rule cannot: one sign turns the whole weight
 * vector, by up to 2 eta_r / |p| in each step that follows. So the neuron (without neurons: the
 * tensor) that has such an element is left out, and at most one may be.
 */
import { describe, expect, test } from 'vitest';
import { neuronsOf, wholeTensor } from '../reference/neurons.js';
import type { State } from '../reference/reference.js';
import { places, train, type Executor } from '../rotational/tools.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, largest } from '../support/numbers.js';
import { optimizerCases } from '../support/optimizers.js';

/** Those of a random start have none to be compared with. */
const cases = optimizerCases.filter(({ reference }) => reference);

const shapes: readonly { readonly shape: number[]; readonly axes: number[] }[] = [
  { shape: [256, 12], axes: [1] },
  { shape: [10, 300], axes: [0] },
  { shape: [3, 3, 5, 16], axes: [2] },
  { shape: [5, 5, 6, 2], axes: [2, 3] },
  { shape: [4, 9, 3, 7], axes: [0, 2] },
];
const steps = 20;

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  test.each(cases)(
    '$name',
    async ({ make, rates, reference, hyperparameters, prepare, rotates }) => {
      await useBackend(backend);
      for (const [i, { shape, axes }] of shapes.entries()) {
        const size = shape.reduce((product, length) => product * length, 1);
        const start = bell(size, 10 + i, 0.3);
        // A mean for each element and noise: a signal that momentum finds.
        const signal = bell(size, 20 + i, 0.5);
        const gradients = Array.from({ length: steps }, (_, t) =>
          bell(size, 100 * (i + 1) + t).map((value, j) => value + signal[j]),
        );
        const weights = train(
          (name) => make({ ...rates, executor, groups: [{ match: name, neuronAxis: axes }] }),
          { shape, start, gradients },
        ).at(-1)!;

        const neurons = rotates === 'tensor' ? wholeTensor(size) : neuronsOf(shape, axes);
        const w = Float64Array.from(start);
        const state: State = {};
        prepare?.(neurons, w, state);
        const step = reference!(neurons);
        gradients.forEach((g, t) =>
          step(w, Float64Array.from(g), state, { ...rates, ...hyperparameters, step: t + 1 }),
        );

        const close = state.close ?? new Float64Array(size);
        const leftOut = new Set(
          rotates
            ? neurons.filter((indices) => indices.some((j) => close[j])).flat()
            : [...close.keys()].filter((j) => close[j]),
        );
        expect(close.reduce((total, flag) => total + flag, 0)).toBeLessThanOrEqual(1);
        expect(leftOut.size).toBeLessThan(size);
        expect(distance(weights, w, (j) => leftOut.has(j))).toBeLessThan(1e-6 * largest(w));
        expect(distance(weights, start)).toBeGreaterThan(0.01);
      }
    },
  );
});
