/** Weights as the matrix that they multiply with. */
import { reshape, Tensor, transpose, type Tensor2D } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import { checkKind } from '../kind-of.js';

/** Throws unless `weights` is a tensor of which a matrix can be made. */
export function checkWeights(label: string, weights: unknown): asserts weights is Tensor {
  checkKind(weights instanceof Tensor, label, 'weights', 'be a tensor', weights);
  checkKind(!weights.isDisposed, label, 'weights', 'not be disposed', weights);
  check(weights.dtype === 'float32', label, 'weights', "have the dtype 'float32'", weights.dtype);
  checkKind(
    weights.rank >= 2 && weights.size > 0,
    label,
    'weights',
    'have a rank of at least 2 and at least one number',
    weights,
  );
}

/** A matrix [inputs, outputs]: a convolution's kernel becomes [h * w * in, out]. */
const matrixOf = (weights: Tensor): Tensor2D => reshape(weights, [-1, weights.shape.at(-1)!]);

/** The matrix, or its transpose, with the shorter side last. */
export function uprightMatrixOf(weights: Tensor): Tensor2D {
  const matrix = matrixOf(weights);
  return matrix.shape[0] < matrix.shape[1] ? transpose(matrix) : matrix;
}
