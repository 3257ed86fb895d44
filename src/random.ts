/** Random numbers that are the same on every backend and in every run. */

/**
 * A generator of uniform numbers in [0, 1): mulberry32 (Tommy Ettinger, public domain). Its period
 * is 2^32 numbers. `tf.randomUniform` would give other numbers on other backends.
 *
 * @param seed - A whole number; taken modulo 2^32.
 * @returns A function that gives the next number at each call.
 * @see {@link https://gist.github.com/tommyettinger/46a874533244883189143505d203312c | Ettinger, Mulberry32}
 * @example
 * const next = randomNumbers(7);
 * const [first, second] = [next(), next()];
 */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
