/** The spectral norm of a weight matrix. */
import { keep, matMul, tensor2d, tidy, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import { parseOptions, within } from '../schema.js';
import { flatten } from './flat.js';
import { checkWeights, uprightMatrixOf } from './matrix-of.js';
import { largestEigenvalue, searchSchema, type SearchSettings } from './power-iteration.js';

/** Options of {@link spectralNorm} and of `stableRank`. */
export type SpectralNormOptions = {
  /**
   * Of the search for an eigenvalue of W^T W, as of `sharpness`, in (0, 1).
   *
   * @defaultValue 1e-5
   */
  readonly tolerance?: number;
  /**
   * The most products with vectors, at least 1.
   *
   * @defaultValue 200
   */
  readonly maxIterations?: number;
  /**
   * Seed of the random numbers from which the search starts, a whole number.
   *
   * @defaultValue 0
   */
  readonly seed?: number;
};

// The largest singular values of a random matrix lie close together.
const schema = { ...searchSchema, tolerance: within('(0, 1)', 1e-5) };

/**
 * The spectral norm of weights: |W|_2 = max |x W| / |x|, their largest singular value, in units of
 * the weights.
 *
 * The root of the largest eigenvalue of W^T W, by the Lanczos method on products with vectors.
 * Kernels of convolutions are taken as matrices [h * w * in, out]. Good to about 1e-6; if
 * `maxIterations` comes first it is a lower bound.
 *
 * @param weights - A tensor or variable of rank 2 or more; the last axis is the output.
 * @param options - How to search.
 * @returns The largest singular value.
 * @throws {Error} if the weights are of rank 0 or 1, of another dtype than float32, or not finite,
 *   or an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/1802.05957 | Miyato et al., Spectral normalization for
 *   generative adversarial networks, section 2.1}, for the norm of a convolution's kernel as a
 *   matrix
 * @example
 * const norm = await spectralNorm(tf.tensor2d([[3, 0], [0, 4]]));
 * norm.toFixed(4); // '4.0000'
 */
export async function spectralNorm(
  weights: Tensor,
  options: SpectralNormOptions = {},
): Promise<number> {
  return largestSingularValue('spectralNorm', weights, options);
}

export async function largestSingularValue(
  label: string,
  weights: Tensor,
  options: SpectralNormOptions,
): Promise<number> {
  checkWeights(label, weights);
  const settings = parseOptions(label, schema, options) as SearchSettings;
  // A clone keeps the numbers of this moment, even if the weights are trained while this waits for
  // the device.
  const matrix = tidy(() => keep(uprightMatrixOf(weights.clone())));
  try {
    const multiply = (x: Float32Array): Promise<Float32Array> => gramProduct(label, matrix, x);
    const { value } = await largestEigenvalue(label, multiply, matrix.shape[1], settings);
    return Math.sqrt(Math.max(0, value));
  } finally {
    matrix.dispose();
  }
}

/** W^T W x. */
async function gramProduct(
  label: string,
  matrix: Tensor2D,
  x: Float32Array,
): Promise<Float32Array> {
  const column = tidy(() => {
    const product = matMul(matrix, tensor2d(x.slice(), [x.length, 1]));
    return matMul(matrix, product, true);
  });
  const product = await flatten([column]);
  check(
    product.every(Number.isFinite),
    label,
    'weights',
    'be finite numbers with finite squares',
    'others',
  );
  return product;
}
