/** The spectral norm of a weight matrix. */
import { keep, matMul, tensor2d, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { check, checkNames } from '../check.js';
import { flatten } from './flat.js';
import { checkWeights, uprightMatrixOf } from './matrix-of.js';
import {
  checkEigenvalueOptions,
  eigenvalueOptionNames,
  largestEigenvalue,
  type EigenvalueOptions,
} from './power-iteration.js';

/** Options of {@link spectralNorm} and of `stableRank`. */
export type SpectralNormOptions = Pick<EigenvalueOptions, 'tolerance' | 'maxIterations' | 'seed'>;

/** The largest singular values of a random matrix lie close together. */
const defaultTolerance = 1e-5;

const names = eigenvalueOptionNames.filter((name) => name !== 'start');

/**
 * The spectral norm of weights: |W|_2 = max |x W| / |x|, their largest singular value, in units of
 * the weights.
 *
 * The root of the largest eigenvalue of W^T W, by the Lanczos method on products with vectors.
 * Kernels of convolutions are taken as matrices [h * w * in, out]. Good to about 1e-6; if
 * `maxIterations` comes first it is a lower bound.
 *
 * @param weights a tensor or variable of rank 2 or more; the last axis is the output.
 * @param options `tolerance` (default 1e-5), `maxIterations` (200), `seed` (0), as of `sharpness`.
 * @throws for weights of rank 0 or 1, of another dtype than float32, or not finite, and for options
 * out of range.
 * @see Miyato et al., Spectral normalization for generative adversarial networks (arXiv
 * 1802.05957), section 2.1, for
 *   the norm of a convolution's kernel as a matrix.
 * @example
 * await spectralNorm(tf.tensor2d([[3, 0], [0, 4]]));   // 4
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
  checkNames(label, options, names);
  // A clone keeps the numbers of this moment, even if the weights are trained while this waits for
  // the device.
  const matrix = tidy(() => keep(uprightMatrixOf(weights.clone())));
  const size = matrix.shape[1];
  try {
    checkEigenvalueOptions(label, options, size);
    const multiply = async (x: Float32Array): Promise<Float32Array> => {
      const product = await flatten([
        tidy(() => matMul(matrix, matMul(matrix, tensor2d(x.slice(), [size, 1])), true)),
      ]);
      check(
        product.every(Number.isFinite),
        label,
        'weights',
        'be finite numbers with finite squares',
        'others',
      );
      return product;
    };
    const { value } = await largestEigenvalue(label, multiply, size, {
      tolerance: defaultTolerance,
      ...options,
    });
    return Math.sqrt(Math.max(0, value));
  } finally {
    matrix.dispose();
  }
}
