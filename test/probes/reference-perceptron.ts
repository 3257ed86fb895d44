/**
 * A perceptron with one hidden layer, in tfjs and in double: its Hessian from central differences
 * of the exact gradient.
 */
import * as tf from '@tensorflow/tfjs-core';
import { symmetricEigen } from '../../src/probes/symmetric-eigen.js';
import { normals, variableOf } from './support.js';

const [inputs, hidden, outputs, samples] = [5, 6, 3, 20];

/**
 * The mean squared error of tanh(x a) b against y; `hessianEigenvalue` is the largest of its
 * Hessian.
 */
export function perceptron(): {
  variables: tf.Variable[];
  loss: () => tf.Scalar;
  hessianEigenvalue: number;
} {
  const [x, y] = [normals(samples * inputs, 11), normals(samples * outputs, 12)];
  const a = normals(inputs * hidden, 13).map((value) => 0.7 * value);
  const b = normals(hidden * outputs, 14).map((value) => 0.7 * value);
  const variables = [variableOf(a, [inputs, hidden]), variableOf(b, [hidden, outputs])];
  const loss = (): tf.Scalar => {
    const output = tf.matMul(
      tf.tanh(tf.matMul(tf.tensor2d(x, [samples, inputs]), variables[0] as unknown as tf.Tensor2D)),
      variables[1] as unknown as tf.Tensor2D,
    );
    return tf.mean(tf.square(tf.sub(output, tf.tensor2d(y, [samples, outputs])))) as tf.Scalar;
  };
  const weights = [...a, ...b];
  const h = 1e-5;
  const rows = weights.map((_, i) => {
    const [above, below] = [h, -h].map((move) =>
      gradient(
        weights.map((w, k) => (k === i ? w + move : w)),
        x,
        y,
      ),
    );
    return above.map((value, k) => (value - below[k]) / (2 * h));
  });
  const hessian = rows.map((row, i) => row.map((value, k) => (value + rows[k][i]) / 2));
  return { variables, loss, hessianEigenvalue: symmetricEigen(hessian).values[0] };
}

function gradient(
  weights: readonly number[],
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): number[] {
  const sums = weights.map(() => 0);
  const [a, b] = [weights.slice(0, inputs * hidden), weights.slice(inputs * hidden)];
  for (let s = 0; s < samples; s++) {
    const units = Array.from({ length: hidden }, (_, j) =>
      Math.tanh(
        Array.from({ length: inputs }, (_, i) => x[s * inputs + i] * a[i * hidden + j]).reduce(
          (p, q) => p + q,
        ),
      ),
    );
    const errors = Array.from(
      { length: outputs },
      (_, o) =>
        (2 / (samples * outputs)) *
        (units.reduce((sum, unit, j) => sum + unit * b[j * outputs + o], 0) - y[s * outputs + o]),
    );
    units.forEach((unit, j) => {
      errors.forEach((error, o) => (sums[inputs * hidden + j * outputs + o] += unit * error));
      const back =
        (1 - unit * unit) * errors.reduce((sum, error, o) => sum + error * b[j * outputs + o], 0);
      for (let i = 0; i < inputs; i++) sums[i * hidden + j] += back * x[s * inputs + i];
    });
  }
  return sums;
}
