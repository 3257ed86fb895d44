/**
 * A start vector for the search for an eigenvalue: uniform numbers in [-1, 1) of mulberry32 (Tommy
 * Ettinger, public domain). tf.randomUniform would give other numbers on other backends, and the
 * search other last digits.
 */
export function randomVector(size: number, seed: number): Float64Array {
  const numbers = new Float64Array(size);
  let state = seed >>> 0;
  for (let i = 0; i < size; i++) {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    numbers[i] = ((x ^ (x >>> 14)) >>> 0) / 2 ** 31 - 1;
  }
  return numbers;
}
