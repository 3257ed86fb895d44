/** Variables, gradients and state in tests of optimizers. */
import * as tf from '@tensorflow/tfjs-core';
import type { FusedOptimizer } from '../../src/optimizers/index.js';
import { numbers } from './numbers.js';

/** A tensor of numbers in [-1, 1); it owns its data. */
export const numbersTensor = (shape: number[], seed: number): tf.Tensor =>
  tf.tensor(numbers(tf.util.sizeFromShape(shape), seed), shape);

let variables = 0;

/** A variable of such numbers with a name of its own. */
export function numbersVariable(
  shape: number[],
  seed: number,
  name = `variable${variables++}`,
): tf.Variable {
  return tf.tidy(() => tf.variable(numbersTensor(shape, seed), true, name));
}

/** The bits of a float32 tensor: tells -0 from 0 and knows every NaN. */
export const bitsOf = (tensor: tf.Tensor): Int32Array =>
  new Int32Array((tensor.dataSync() as Float32Array).slice().buffer);

/** One step with these gradients, given as tensors, which are freed, or as their values. */
export function stepWith(
  optimizer: FusedOptimizer,
  ...updates: readonly (readonly [tf.Variable, tf.Tensor | ArrayLike<number>])[]
): void {
  const gradients = updates.map(([{ name, shape }, g]) => ({
    name,
    tensor: g instanceof tf.Tensor ? g : tf.tensor(Float32Array.from(g), shape, 'float32'),
  }));
  optimizer.applyGradients(gradients);
  for (const { tensor } of gradients) tensor.dispose();
}

/** Saved state as plain numbers, to compare; frees the tensors. */
export async function stateOf(optimizer: FusedOptimizer): Promise<Record<string, number[]>> {
  const weights = await optimizer.getWeights();
  const state = Object.fromEntries(
    weights.map(({ name, tensor }) => [name, [...tensor.dataSync()]]),
  );
  for (const { tensor } of weights) tensor.dispose();
  return state;
}
