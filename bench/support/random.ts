import { randomNumbers } from '../../src/random.js';

/**
 * Standard normal numbers by Box and Muller: sqrt(-2 ln u1) cos(2 pi u2). tf.randomNormal would tie
 * the weights to a tfjs version.
 */
export function normal(seed: number): () => number {
  const next = randomNumbers(seed);
  // 1 - u lies in (0, 1], so the logarithm is finite.
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
