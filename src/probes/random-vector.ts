import { randomNumbers } from '../random.js';

/** Uniform numbers in [-1, 1): a start vector for the search for an eigenvalue. */
export function randomVector(size: number, seed: number): Float64Array {
  const next = randomNumbers(seed);
  return Float64Array.from({ length: size }, () => 2 * next() - 1);
}
