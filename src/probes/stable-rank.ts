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
 * @param weights - A tensor or variable of rank 2 or more; the last axis is the output.
 * @param options - How to search for the spectral norm.
 * @returns The stable rank.
 * @throws {Error} if the weights are of rank 0 or 1, of another dtype than float32, or not finite,
 *   or an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/math/0503442 | Rudelson and Vershynin, Sampling from large
 *   matrices, section 1}, where it is the numerical rank
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer and Jaggi, Analyzing and reducing
 *   the need for learning rate warmup}, for its use in warmup
 * @example
 * const rank = await stableRank(tf.eye(8));
 * rank.toFixed(4); // '8.0000'
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
