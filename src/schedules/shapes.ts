/**
 * Bare unit functions: [0, 1] -> [0, 1], rising, f(0) = 0, f(1) = 1 (only `loweredLinear` ends
 * below 1).
 *
 * x is what is done of a warmup and what REMAINS of a cooldown: a cooldown is its warmup played
 * backwards, so each name says the cooldown's formula in its own progress p = 1 - x, and one
 * function serves both. No defaults, no checks, no names as strings.
 */

/** A rising function from [0, 1] to [0, 1]. */
export type UnitFunction = (x: number) => number;

/** Cooldown 1 - p. */
export const linear: UnitFunction = (x) => x;

/**
 * (1 - cos(pi x)) / 2, as a squared sine: that keeps the first steps of a long warmup above 0,
 * where 1 - cos rounds to 0. Cooldown (1 + cos(pi p)) / 2.
 */
export const cosine: UnitFunction = (x) => {
  const sine = Math.sin((x * Math.PI) / 2);
  return sine * sine;
};

/** The cosine mirrored at the line: 2x - cosine(x). */
export const mirrorCosine: UnitFunction = (x) => 2 * x - cosine(x);

/** 1 - sqrt(1 - x), without the cancellation. Cooldown 1 - sqrt(p). */
export const oneMinusSqrt: UnitFunction = (x) => x / (1 + Math.sqrt(1 - x));

/**
 * 1 - (1 - x)^2. Not x (2 - x): that factor falls while the other rises, and rounding then shows as
 * steps down near x = 1. Cooldown 1 - p^2.
 */
export const oneMinusSquare: UnitFunction = (x) => {
  const done = 1 - x;
  return 1 - done * done;
};

/** Cooldown sqrt(1 - p). */
export const sqrtOfRemaining: UnitFunction = (x) => Math.sqrt(x);

/** Cooldown (1 - p)^2. */
export const squareOfRemaining: UnitFunction = (x) => x * x;

/** Cooldown 1 - p^exponent. */
export const power =
  (exponent: number): UnitFunction =>
  (x) =>
    1 - (1 - x) ** exponent;

/** Cooldown start (1 - p): it jumps down to `start` at its first step. */
export const loweredLinear =
  (start: number): UnitFunction =>
  (x) =>
    start * x;

/**
 * (e^(kx) - 1) / (e^k - 1): for k > 0 slow, then fast (neighbors in a constant ratio when
 * k = log(high / low)); for k < 0 fast, then saturating.
 */
export const exponential = (k: number): UnitFunction => {
  if (k === 0) return linear;
  // e^k overflows from k = 710, so a positive k is written with powers of e^-k.
  if (k > 0) return (x) => (Math.exp(k * (x - 1)) * Math.expm1(-k * x)) / Math.expm1(-k);
  return (x) => Math.expm1(k * x) / Math.expm1(k);
};
