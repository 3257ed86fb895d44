import * as tf from '@tensorflow/tfjs-core';

/**
 * a b, with da = dy b' and db = a' dy by explicit transposes: the wasm backend hands a plain
 * product of two matrices to XNNPACK at 20 GFLOP/s and computes one with transpose flags, as tfjs's
 * own gradient uses, at 2.
 */
export const matmul = tf.customGrad((...args) => {
  const [a, b, save] = args as [tf.Tensor2D, tf.Tensor2D, (tensors: tf.Tensor[]) => void];
  save([a, b]);
  return {
    value: tf.matMul(a, b),
    gradFunc: (dy, saved) => {
      const [a, b] = saved as [tf.Tensor2D, tf.Tensor2D];
      return [
        matmul(dy as tf.Tensor2D, tf.transpose(b)),
        matmul(tf.transpose(a), dy as tf.Tensor2D),
      ];
    },
  };
}) as (a: tf.Tensor2D, b: tf.Tensor2D) => tf.Tensor2D;
