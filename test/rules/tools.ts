/** What the tests of rules share: training with a rule on every executor, and in float64. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import type { Rule } from '../../src/compiler/rule.js';
import { RuleOptimizer, type FusedOptimizer } from '../../src/optimizers/index.js';
import type { Reference, State, StepOptions } from '../reference/reference.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, expectSameBits, gradient, largest } from '../support/numbers.js';

/** A backend, the option `executor`, and the executor that these give. */
export const places = [
  ['wasm', 'auto', 'wasm'],
  ['cpu', 'auto', 'wasm'],
  ['wasm', 'ops', 'ops'],
  ['cpu', 'ops', 'ops'],
] as const;
export type Place = (typeof places)[number];

export type Numbers = Readonly<Record<string, number>>;
type Settings = { readonly learningRate: number; readonly weightDecay?: number };

/** Enough elements for every path of a kernel, and the blocks of a sum. */
const shape: [number, number] = [101, 103];
const size = shape[0] * shape[1];
const steps = 24;
const start = bell(size, 1);
export const gradients = Array.from({ length: steps }, (_, i) => gradient(size, 100 + i));

/** The weights after the steps. */
export async function train(
  [backend, executor, name]: Place,
  make: (executor: 'auto' | 'ops') => FusedOptimizer,
): Promise<Float32Array> {
  await useBackend(backend);
  const w = tf.tidy(() => tf.variable(tf.tensor2d(start.slice(), shape)));
  const optimizer = make(executor);
  expect(optimizer.executorName).toBe(name);
  for (const values of gradients) {
    const g = tf.tensor2d(values.slice(), shape);
    optimizer.applyGradients({ [w.name]: g });
    g.dispose();
  }
  const result = w.dataSync<'float32'>().slice();
  optimizer.dispose();
  w.dispose();
  return result;
}

/** The weights after the steps with a rule, on the first of the places. */
export const trainRule = (
  rule: Rule,
  settings: Settings,
  hyperparameters: Numbers = {},
): Promise<Float32Array> =>
  train(
    places[0],
    (executor) => new RuleOptimizer({ rule, hyperparameters, executor, ...settings }),
  );

/** The weights after the steps of a reference. */
export function trainReference(
  reference: Reference,
  options: Omit<StepOptions, 'step'> & Settings & { readonly weightDecay: number },
): Float64Array {
  const w = Float64Array.from(start);
  const state: State = {};
  gradients.forEach((g, i) =>
    reference(w, Float64Array.from(g), state, { ...options, step: i + 1 }),
  );
  return w;
}

/** Expects the same bits on every executor, within 1e-6 of the largest weight of the reference. */
export async function expectAsReference(
  rule: Rule,
  reference: Reference,
  { learningRate, weightDecay, ...hyperparameters }: Settings & { weightDecay: number } & Numbers,
): Promise<void> {
  const settings = { learningRate, weightDecay };
  const kernel = await trainRule(rule, settings, hyperparameters);
  for (const place of places.slice(1)) {
    const other = await train(
      place,
      (executor) => new RuleOptimizer({ rule, hyperparameters, executor, ...settings }),
    );
    expectSameBits(other, kernel, `${place.join(' ')} against kernels on wasm`);
  }
  const exact = trainReference(reference, { ...settings, ...hyperparameters });
  expect(distance(kernel, exact)).toBeLessThan(1e-6 * largest(exact));
  expect(distance(kernel, start)).toBeGreaterThan(0.01);
}
