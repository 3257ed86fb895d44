import * as tf from '@tensorflow/tfjs-core';

/**
 * w -> A w for a constant matrix A, with dw = A' dy: a general matrix product would compute the
 * gradient for A too, at every order, and here A is the largest matrix of all.
 *
 * @param transposed A', so that no step transposes it again.
 */
export function productWith(
  a: tf.Tensor2D,
  transposed: tf.Tensor2D,
): (w: tf.Tensor2D) => tf.Tensor2D {
  return tf.customGrad((w) => ({
    value: tf.matMul(a, w as tf.Tensor2D),
    gradFunc: (dy) => productWith(transposed, a)(dy as tf.Tensor2D),
  })) as (w: tf.Tensor2D) => tf.Tensor2D;
}
