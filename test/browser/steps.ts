/** A few steps of training that give the same numbers wherever they run. */
import * as tf from '@tensorflow/tfjs-core';
import { AdamW } from '../../src/optimizers/index.js';

export interface Trained {
  readonly backend: string;
  readonly executor: string;
  readonly losses: number[];
  readonly weights: number[][];
}

/** Numbers in [-1, 1) without a pattern. */
export const numbers = (length: number, seed: number): Float32Array =>
  Float32Array.from(
    { length },
    (_, i) => 2 * (((i * 0.6180339887 + seed * 0.3819660113) * 7.31) % 1) - 1,
  );

/** Five steps of AdamW on two layers, on the current backend. */
export async function train(): Promise<Trained> {
  const x = tf.tensor2d(numbers(8 * 5, 1), [8, 5]);
  const y = tf.tensor2d(numbers(8 * 3, 2), [8, 3]);
  const variables = [[5, 7], [7], [7, 3]].map((shape, i) =>
    tf.variable(
      tf.tensor(
        numbers(
          shape.reduce((a, b) => a * b),
          3 + i,
        ),
        shape,
      ),
    ),
  );
  const [first, bias, second] = variables;
  const optimizer = new AdamW({ learningRate: 0.05, weightDecay: 0.1 });
  const losses: number[] = [];
  for (let step = 0; step < 5; step++) {
    const loss = optimizer.minimize(
      () => {
        const hidden = tf.tanh(tf.add(tf.matMul(x, first as tf.Tensor2D), bias));
        return tf.mean(
          tf.square(tf.sub(tf.matMul(hidden as tf.Tensor2D, second as tf.Tensor2D), y)),
        ) as tf.Scalar;
      },
      true,
      variables,
    )!;
    losses.push((await loss.data())[0]);
    loss.dispose();
  }
  const weights: number[][] = [];
  for (const variable of variables) weights.push([...(await variable.data())]);
  const trained = { backend: tf.getBackend(), executor: optimizer.executorName, losses, weights };
  optimizer.dispose();
  tf.dispose([x, y, variables]);
  return trained;
}
