/**
 * Test data that is the same in every run, and comparisons that name the first difference instead
 * of printing arrays.
 */

import { randomNumbers } from '../../src/random.js';

/** Uniform numbers in [-1, 1). */
export function numbers(size: number, seed: number): Float32Array {
  // Seeds far apart: neighbors would begin with neighboring states.
  const next = randomNumbers(Math.imul(seed + 1, 0x9e3779b1));
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = 2 * next() - 1;
  return values;
}

/**
 * Bell-shaped (the sum of four uniforms), with mean 0 and variance 1: close enough to normal, and
 * cheap at a million elements.
 */
export function bell(size: number, seed: number, scale = 1): Float32Array {
  const next = randomNumbers(seed);
  const factor = Math.sqrt(3) * scale;
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = (next() + next() + next() + next() - 2) * factor;
  return values;
}

/** Powers of ten from 1e-3 to 10, of which each element has its own. */
const scales = Float32Array.from(
  { length: 997 },
  (_, i) => 10 ** ((4 * ((i * 367) % 997)) / 997 - 3),
);

/**
 * Gradients as training gives them: a scale of its own for each element, some elements exactly 0.
 */
export function gradient(size: number, seed: number): Float32Array {
  const values = bell(size, seed);
  const next = randomNumbers(seed + 1000);
  for (let i = 0; i < size; i++)
    values[i] = next() < 0.01 ? 0 : values[i] * scales[i % scales.length];
  return values;
}

const word = new DataView(new ArrayBuffer(4));
const fromBits = (bits: number): number => {
  word.setUint32(0, bits);
  return word.getFloat32(0);
};

/**
 * Float32 values at which arithmetic is special: zeros, denormals, the ends of the range,
 * infinities, NaN.
 */
export const specials: readonly number[] = [
  0,
  -0,
  1,
  -1,
  0.5,
  fromBits(1),
  -fromBits(1),
  fromBits(0x007fffff),
  fromBits(0x00800000),
  -fromBits(0x00800000),
  1e-40,
  -3e-39,
  fromBits(0x7f7fffff),
  -fromBits(0x7f7fffff),
  1e30,
  -1e-30,
  fromBits(0x3f800001),
  16777216,
  Infinity,
  -Infinity,
  NaN,
];

/** Ordinary numbers among which each is special with the given probability. */
export function mixture(size: number, seed: number, probability: number): Float32Array {
  const values = bell(size, seed);
  const next = randomNumbers(seed + 77);
  return values.map((value) =>
    next() < probability ? specials[Math.floor(next() * specials.length)] : value,
  );
}

const bitsOf = (values: Float32Array): Int32Array =>
  new Int32Array(values.buffer, values.byteOffset, values.length);

/**
 * Where two arrays differ first, in words, or undefined; a NaN equals any NaN, 0 does not equal -0.
 */
export function firstDifference(actual: Float32Array, expected: Float32Array): string | undefined {
  if (actual.length !== expected.length)
    return `${actual.length} values instead of ${expected.length}`;
  const [a, b] = [bitsOf(actual), bitsOf(expected)];
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !(Number.isNaN(actual[i]) && Number.isNaN(expected[i])))
      return `at ${i} of ${a.length}: ${show(actual[i])} instead of ${show(expected[i])}`;
  }
  return undefined;
}

const show = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

export function expectSameBits(actual: Float32Array, expected: Float32Array, what: string): void {
  const difference = firstDifference(actual, expected);
  if (difference) throw new Error(`${what} differs ${difference}`);
}

export const largest = (values: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
};

/**
 * The largest |actual - expected|; a value that is not finite counts as infinitely far. `skip`
 * leaves elements out.
 */
export function distance(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  skip: (i: number) => boolean = () => false,
): number {
  if (actual.length !== expected.length) return Infinity;
  let most = 0;
  for (let i = 0; i < actual.length; i++) {
    if (skip(i)) continue;
    const far = Math.abs(actual[i] - expected[i]);
    if (!(far <= most)) most = Number.isNaN(far) ? Infinity : far;
  }
  return most;
}
