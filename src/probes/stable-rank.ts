/** The stable rank of a weight matrix. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { checkWeights } from './matrix-of.js';
import { largestSingularValue, type SpectralNormOptions } from './spectral-norm.js';
import { dotProduct } from './sums.js';

/**
 * The stable rank of weights: |W|_F^2 / |W|_2^2, a number without units between 1 and the rank.
 *
 * How many directions carry the weights: 1 for an outer product of two vectors, n for a multiple of
 * an orthogonal n x n matrix. Kernels of convolutions are taken as matrices [h * w * in, out].
 * Weights of zero have a stable rank of 0.
 *
 * @param weights a tensor or variable of rank 2 or more; the last axis is the output.
 * @param options `tolerance` (default 1e-5), `maxIterations` (200), `seed` (0), as of
 * `spectralNorm`.
 * @throws for weights of rank 0 or 1, of another dtype than float32, or not finite, and for options
 * out of range.
 * @see Rudelson and Vershynin, Sampling from large matrices (arXiv math/0503442), section 1, where
 * it is the numerical
 *   rank; its use for warmup: Kosson, Messmer, Jaggi (arXiv 2410.23922).
 * @example
 * await stableRank(tf.eye(8));   // 8
 */
export async function stableRank(
  weights: Tensor,
  options: SpectralNormOptions = {},
): Promise<number> {
  const label = 'stableRank';
  checkWeights(label, weights);
  const fixed = weights.clone();
  try {
    const spectral = await largestSingularValue(label, fixed, options);
    return spectral === 0 ? 0 : (await dotProduct(fixed, fixed)) / spectral ** 2;
  } finally {
    fixed.dispose();
  }
}
