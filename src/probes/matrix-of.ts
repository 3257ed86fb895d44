import { reshape, Tensor, transpose, type Tensor2D } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import { kindOf } from './kind-of.js';

export function checkWeights(label: string, weights: unknown): asserts weights is Tensor {
  check(weights instanceof Tensor, label, 'weights', 'be a tensor', kindOf(weights));
  check(!weights.isDisposed, label, 'weights', 'not be disposed', kindOf(weights));
  check(weights.dtype === 'float32', label, 'weights', "have the dtype 'float32'", weights.dtype);
  check(
    weights.rank >= 2 && weights.size > 0,
    label,
    'weights',
    'have a rank of at least 2 and at least one number',
    kindOf(weights),
  );
}

/**
 * Weights as the matrix [inputs, outputs] that they multiply with: a convolution's kernel becomes
 * [h * w * in, out].
 */
export const matrixOf = (weights: Tensor): Tensor2D =>
  reshape(weights, [-1, weights.shape.at(-1)!]);

/** The same with the shorter side last. */
export function uprightMatrixOf(weights: Tensor): Tensor2D {
  const matrix = matrixOf(weights);
  return matrix.shape[0] < matrix.shape[1] ? transpose(matrix) : matrix;
}
