/**
 * Second derivatives that tfjs by itself gets wrong or refuses, against central differences of
 * first ones in double.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { hessianVectorProduct } from '../../src/probes/hessian-vector-product.js';
import { sharpness } from '../../src/probes/sharpness.js';
import { backends, eachOn, variableOf, withoutLeak } from './support.js';

type Unary = readonly [name: string, f: (x: tf.Tensor) => tf.Tensor, exact: (x: number) => number];

/** Of a function in double, by Richardson's extrapolation. */
function secondDerivative(f: (x: number) => number, x: number): number {
  const difference = (h: number): number => (f(x + h) - 2 * f(x) + f(x - h)) / (h * h);
  return (4 * difference(1e-3) - difference(2e-3)) / 3;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const functions: readonly Unary[] = [
  ['tanh', tf.tanh, Math.tanh],
  ['sigmoid', tf.sigmoid, sigmoid],
  ['exp', tf.exp, Math.exp],
  ['softplus', tf.softplus, (x) => Math.log1p(Math.exp(x))],
  ['log sigmoid', tf.logSigmoid, (x) => Math.log(sigmoid(x))],
  [
    'the square root of 1 + x^2',
    (x) => tf.sqrt(tf.add(1, tf.square(x))),
    (x) => Math.sqrt(1 + x * x),
  ],
  ['a power', (x) => tf.pow(tf.add(3, x), 2.5), (x) => (3 + x) ** 2.5],
  [
    'gelu',
    (x) => tf.mul(x, tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))))),
    (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  ],
  ['relu of a square', (x) => tf.relu(tf.sub(tf.square(x), 0.1)), (x) => Math.max(0, x * x - 0.1)],
  ['relu6 of a square', (x) => tf.relu6(tf.square(tf.mul(2, x))), (x) => Math.min(6, 4 * x * x)],
  [
    'leaky relu of a cube',
    (x) => tf.leakyRelu(tf.mul(x, tf.square(x)), 0.1),
    (x) => (x < 0 ? 0.1 : 1) * x ** 3,
  ],
  [
    'a clipped square',
    (x) => tf.clipByValue(tf.square(x), 0.3, 2),
    (x) => Math.min(2, Math.max(0.3, x * x)),
  ],
  ['tanh twice', (x) => tf.tanh(tf.mul(2, tf.tanh(x))), (x) => Math.tanh(2 * Math.tanh(x))],
  [
    'a choice by sign',
    (x) => tf.where(tf.greater(x, 0), tf.square(x), tf.exp(x)),
    (x) => (x > 0 ? x * x : Math.exp(x)),
  ],
];

/** The integral of the normal density by Simpson's rule. */
function erf(x: number): number {
  const [steps, h] = [2000, x / 2000];
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const inside = i % 2 === 1 ? 4 : 2;
    sum += (i === 0 || i === steps ? 1 : inside) * Math.exp(-((i * h) ** 2));
  }
  return (2 / Math.sqrt(Math.PI)) * (h / 3) * sum;
}

describe.each(backends)('on %s', (backend) => {
  eachOn(backend);

  const points = [-1.3, -0.55, 0.2, 0.7, 1.1];
  test.each(functions)('%s', async (_, f, exact) => {
    const x = variableOf(points, [points.length]);
    const ones = tf.ones([points.length]);
    const [product] = await withoutLeak(() => {
      const products = hessianVectorProduct(() => tf.sum(f(x)) as tf.Scalar, [x], [ones]);
      const values = products.map((tensor) => Array.from(tensor.dataSync()));
      products.forEach((tensor) => tensor.dispose());
      return values;
    });
    product.forEach((value, i) =>
      expect(Math.abs(value - secondDerivative(exact, points[i])), `at ${points[i]}`).toBeLessThan(
        2e-4,
      ),
    );
    [x, ones].forEach((tensor) => tensor.dispose());
  });

  // The Hessian of -log softmax(z)[label] is diag(p) - p p^T.
  const logits = [0.3, -1.2, 2.1, 0.4];
  const powers = logits.map(Math.exp);
  const p = powers.map((power) => power / powers.reduce((sum, x) => sum + x));
  const direction = [1, -2, 0.5, 3];
  const expected = p.map(
    (share, i) => share * direction[i] - share * p.reduce((sum, x, k) => sum + x * direction[k], 0),
  );
  const losses: Record<string, (z: tf.Tensor2D) => tf.Tensor> = {
    'tf.losses.softmaxCrossEntropy': (z) =>
      tf.losses.softmaxCrossEntropy(tf.tensor2d([[0, 0, 1, 0]]), z),
    logSoftmax: (z) => tf.neg(tf.sum(tf.mul(tf.tensor2d([[0, 0, 1, 0]]), tf.logSoftmax(z)))),
    'the logarithm of softmax': (z) =>
      tf.neg(tf.sum(tf.mul(tf.tensor2d([[0, 0, 1, 0]]), tf.log(tf.softmax(z))))),
    logSumExp: (z) => tf.sub(tf.logSumExp(z), tf.sum(tf.mul(tf.tensor2d([[0, 0, 1, 0]]), z))),
  };
  test.each(Object.entries(losses))('cross-entropy by %s', async (_, loss) => {
    const z = variableOf(logits, [1, 4]);
    const vector = tf.tensor2d([direction]);
    const [product] = hessianVectorProduct(
      () => loss(z as unknown as tf.Tensor2D) as tf.Scalar,
      [z],
      [vector],
    );
    product.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
    [z, vector, product].forEach((tensor) => tensor.dispose());
    expect('customGrad' in Object.getOwnPropertyDescriptors(tf.engine())).toBe(false);
  });

  test('custom gradients: made in the loss they are followed, made outside they are refused if they cannot be', async () => {
    const cube = () =>
      tf.customGrad((...args) => {
        const [x, save] = args as unknown as [tf.Tensor, (tensors: tf.Tensor[]) => void];
        const square = tf.square(x);
        save([square]);
        return {
          value: tf.mul(x, square),
          gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => tf.mul(dy, tf.mul(3, saved)),
        };
      });
    const outside = cube();
    const x = variableOf([2], [1]);
    const { value } = await withoutLeak(() => sharpness(() => tf.sum(cube()(x)) as tf.Scalar, [x]));
    expect(value).toBeCloseTo(12, 4);
    await expect(
      withoutLeak(() => sharpness(() => tf.sum(outside(x)) as tf.Scalar, [x])),
    ).rejects.toThrow('sharpness: a custom gradient in the loss saves a value that it computed');
    const { value: again } = await sharpness(() => tf.sum(outside(x)) as tf.Scalar, [x], {
      method: 'finiteDifference',
    });
    expect(again / 12).toBeCloseTo(1, 3);
    x.dispose();
  });
});
