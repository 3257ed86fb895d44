/**
 * Mulberry32 (Tommy Ettinger, public domain): numbers in [0, 1). tf.randomNormal and Math.random
 * would tie the weights to a tfjs version; 32 bits of state are plenty for 200,000 draws.
 */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers by Box and Muller: sqrt(-2 ln u1) cos(2 pi u2). */
export function normal(seed: number): () => number {
  const next = uniform(seed);
  // 1 - u lies in (0, 1], so the logarithm is finite.
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
