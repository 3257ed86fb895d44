/** What the tests of optimizers share that look at single neurons. */
import * as tf from '@tensorflow/tfjs-core';
import type { FusedOptimizer } from '../../src/optimizers/index.js';
import { normOf, pick } from '../reference/neurons.js';
import { stepWith } from '../support/tensors.js';

/**
 * Backend and executor: fused kernels in the backend's memory, in a private one, and tfjs
 * operations.
 */
export const places = [
  ['wasm', 'auto'],
  ['cpu', 'auto'],
  ['wasm', 'ops'],
] as const;
export type Place = (typeof places)[number];
export type Executor = Place[1];

let variables = 0;

/** A variable with a name of its own that says nothing of its neurons. */
export const variableOf = (
  values: ArrayLike<number>,
  shape: readonly number[],
  name = `weights${variables++}x`,
): tf.Variable =>
  tf.tidy(() =>
    tf.variable(tf.tensor(Float32Array.from(values), [...shape], 'float32'), true, name),
  );

export const valuesOf = (tensor: tf.Tensor): Float32Array => tensor.dataSync<'float32'>().slice();

/** Saved state by slot, of an optimizer with one variable; frees the tensors. */
export async function slotsOf(
  optimizer: FusedOptimizer,
  variable: tf.Variable,
): Promise<Record<string, Float32Array>> {
  const weights = await optimizer.getWeights();
  const own = weights
    .filter(({ name }) => name.startsWith(`${variable.name}/`))
    .map(
      ({ name, tensor }) =>
        [name.slice(variable.name.length + 1), Float32Array.from(tensor.dataSync())] as const,
    );
  for (const { tensor } of weights) tensor.dispose();
  return Object.fromEntries(own);
}

export type Run = {
  readonly shape: readonly number[];
  readonly start: ArrayLike<number>;
  readonly gradients: readonly ArrayLike<number>[];
  readonly name?: string;
};

/** The weights after preparation, then after each step, on the current backend. */
export function train(
  make: (name: string) => FusedOptimizer,
  { shape, start, gradients, name }: Run,
): Float32Array[] {
  const variable = variableOf(start, shape, name);
  const optimizer = make(variable.name);
  optimizer.prepare([variable]);
  const weights = [valuesOf(variable)];
  for (const g of gradients) {
    stepWith(optimizer, [variable, g]);
    weights.push(valuesOf(variable));
  }
  optimizer.dispose();
  variable.dispose();
  return weights;
}

/**
 * The angle between w and w + dw from three sums, as probes take it: a = |w|^2, b = w.dw, d =
 * |dw|^2. Exact where acos(cos) knows nothing; `round` may stand for what the sums lose on a
 * device.
 */
export const angleFromSums = (a: number, b: number, d: number): number =>
  Math.atan2(Math.sqrt(Math.max(0, a * d - b * b)), a + b);

/** The angle by which a neuron turned, from float32 weights, in double. */
export function turned(
  before: ArrayLike<number>,
  after: ArrayLike<number>,
  indices: readonly number[],
): number {
  let [a, b, d] = [0, 0, 0];
  for (const i of indices) {
    const move = after[i] - before[i];
    a += before[i] ** 2;
    b += before[i] * move;
    d += move ** 2;
  }
  return angleFromSums(a, b, d);
}

export const finite = (values: ArrayLike<number>): boolean =>
  Array.from(values).every(Number.isFinite);

export const neuronNorms = (w: ArrayLike<number>, neurons: readonly number[][]): number[] =>
  neurons.map((indices) => normOf(pick(w, indices)));
