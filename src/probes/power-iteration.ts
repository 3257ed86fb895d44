/** The largest eigenvalue of a symmetric operator of which only products with vectors are known. */
import { check } from '../check.js';
import { count, within, type Option } from '../schema.js';
import { randomVector } from './random-vector.js';
import { symmetricEigen } from './symmetric-eigen.js';

/** Options of every search for an eigenvalue. */
export type EigenvalueOptions = {
  /**
   * The search ends where |H x - value x| is at most this part of the largest |eigenvalue| met, in
   * (0, 1). The error of the value is of the order of the square of it; float32 products are good
   * to about 1e-6.
   *
   * @defaultValue 1e-4
   */
  readonly tolerance?: number;
  /**
   * The most products with vectors, at least 1.
   *
   * @defaultValue 200
   */
  readonly maxIterations?: number;
  /**
   * Where to start: `vector` of an earlier result, for a search that ends sooner.
   *
   * @defaultValue Random numbers.
   */
  readonly start?: ArrayLike<number>;
  /**
   * Seed of the random numbers, a whole number.
   *
   * @defaultValue 0
   */
  readonly seed?: number;
};

/** What a search for an eigenvalue found. */
export type Eigenvalue = {
  /** The largest eigenvalue: the most positive, not the largest in magnitude. */
  readonly value: number;
  /** Products with vectors that it took. */
  readonly iterations: number;
  /** False if `maxIterations` came first: the value is then a lower bound of the eigenvalue. */
  readonly converged: boolean;
  /** The eigenvector, of length 1; the next search may start from it. */
  readonly vector: Float32Array;
};

/** The options with their defaults; there is none for `start`. */
export type SearchSettings = Required<Omit<EigenvalueOptions, 'start'>> &
  Pick<EigenvalueOptions, 'start'>;

/** The options of a search that starts from random numbers. */
export const searchSchema = {
  tolerance: within('(0, 1)', 1e-4),
  maxIterations: count(1, 200),
  seed: count(0, 0),
};

/** A vector with as many numbers as the variables have. */
export const startOption = (size: number): Option => ({
  allowed: `have as many numbers as the variables, ${size}`,
  accepts: (given) => (given as ArrayLike<number> | null)?.length === size,
  describe: (given) => `${(given as ArrayLike<number> | null)?.length}`,
});

/** Vectors kept at a time, and how many of the best survive when they are too many. */
const largestBasis = 40;
const keptOfBasis = 12;

/**
 * A search that starts from a known vector takes this share of random numbers in, or it could not
 * see a new direction.
 */
const randomShare = 0.1;

/**
 * Before this a search from an old eigenvector would take it for the answer, though another may
 * have overtaken it.
 */
const leastIterations = 6;

/** Gives the product of the operator with a vector, which it must not keep. */
export type Multiply = (x: Float32Array) => Promise<ArrayLike<number>>;

/**
 * The largest eigenvalue of a symmetric operator, by the Lanczos method.
 *
 * A power iteration would do, but takes (largest / gap) products where Lanczos takes about the
 * square root of that, and it finds the largest magnitude, not the largest value. Every new vector
 * is made orthogonal to all others twice, so that rounding makes no false copies of eigenvalues;
 * all but the products is done in double. When the basis is full its best vectors go on alone
 * (thick restart: Wu and Simon, SIAM J. Matrix Anal. Appl. 22, 2000).
 */
export async function largestEigenvalue(
  label: string,
  multiply: Multiply,
  size: number,
  { tolerance, maxIterations, start, seed }: SearchSettings,
): Promise<Eigenvalue> {
  if (start) check(Number.isFinite(norm(start)), label, 'start', 'have finite numbers', 'others');
  let basis: Float32Array[] = [];
  // The operator within the basis.
  let projected: number[][] = [];
  let next = firstVector(size, start, seed);
  let scale = 0;
  for (let iterations = 1; ; iterations++) {
    basis.push(new Float32Array(next));
    const product = new Float64Array(await multiply(basis.at(-1)!));
    const coefficients = orthogonalize(product, basis);
    if (!coefficients.every(Number.isFinite))
      throw new Error(`${label}: a product with a vector is not finite`);
    projected.forEach((row, i) => row.push(coefficients[i]));
    projected.push(coefficients);

    const { values, vectors } = symmetricEigen(projected);
    const remainder = norm(product);
    scale = Math.max(scale, Math.abs(values[0]), Math.abs(values.at(-1)!));
    const residual = remainder * Math.abs(vectors[0].at(-1)!);
    // Below the rounding of float32 products no new direction is left.
    const isComplete = basis.length === size || remainder <= 1e-7 * scale;
    const converged =
      isComplete || (residual <= tolerance * scale && iterations >= leastIterations);
    if (converged || iterations >= maxIterations) {
      return {
        value: values[0],
        iterations,
        converged,
        vector: new Float32Array(combine(basis, vectors[0])),
      };
    }
    next = product.map((x) => x / remainder);
    if (basis.length >= largestBasis) {
      basis = bestVectors(basis, vectors);
      projected = diagonal(values.slice(0, keptOfBasis));
    }
  }
}

const bestVectors = (
  basis: readonly Float32Array[],
  vectors: readonly (readonly number[])[],
): Float32Array[] =>
  vectors.slice(0, keptOfBasis).map((vector) => new Float32Array(combine(basis, vector)));

const diagonal = (values: readonly number[]): number[][] =>
  values.map((value, i) => values.map((_, k) => (i === k ? value : 0)));

export function norm(x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  return Math.sqrt(sum);
}

function dot(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

function addScaled(x: Float64Array, y: ArrayLike<number>, scale: number): void {
  for (let i = 0; i < x.length; i++) x[i] += scale * y[i];
}

function normalized(x: Float64Array): Float64Array {
  const length = norm(x);
  return length > 0 ? x.map((value) => value / length) : x;
}

function firstVector(
  size: number,
  start: ArrayLike<number> | undefined,
  seed: number,
): Float64Array {
  const random = normalized(randomVector(size, seed));
  if (!start) return random;
  const mixed = normalized(new Float64Array(start));
  addScaled(mixed, random, randomShare);
  return normalized(mixed);
}

/** Takes the parts along the basis out of x, and gives their sizes. */
function orthogonalize(x: Float64Array, basis: readonly Float32Array[]): number[] {
  const sizes = basis.map(() => 0);
  // Once leaves what rounding has left in; twice is enough (Kahan, in Parlett, The symmetric
  // eigenvalue problem, 6.9).
  for (let pass = 0; pass < 2; pass++) {
    basis.forEach((vector, i) => {
      const part = dot(x, vector);
      addScaled(x, vector, -part);
      sizes[i] += part;
    });
  }
  return sizes;
}

function combine(vectors: readonly Float32Array[], weights: readonly number[]): Float64Array {
  const sum = new Float64Array(vectors[0].length);
  vectors.forEach((vector, i) => addScaled(sum, vector, weights[i]));
  return normalized(sum);
}
