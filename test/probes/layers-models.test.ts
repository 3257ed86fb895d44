/** Sharpness and its kin on models of tfjs-layers, whose dense layers are fused kernels. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, test } from 'vitest';
import { AdamW } from '../../src/optimizers/index.js';
import { preconditionedSharpness, sharpness } from '../../src/probes/index.js';
import { hessianVectorProduct } from '../../src/probes/hessian-vector-product.js';
import { backends, eachOn, normals, variableOf, withoutLeak } from './support.js';

const { layers } = tf;
const random = (seed: number) => tf.initializers.randomNormal({ stddev: 0.5, seed });
const kernelInitializer = random(3);
const recurrent = { units: 3, kernelInitializer, recurrentInitializer: random(4) };

const head = () => layers.dense({ units: 2, kernelInitializer });

type Model = { readonly shape: readonly number[]; readonly make: () => tf.layers.Layer[] };

const vectors = (...make: (() => tf.layers.Layer)[]): Model => ({
  shape: [4],
  make: () => [...make.map((one) => one()), head()],
});
const sequences = (...make: (() => tf.layers.Layer)[]): Model => ({
  ...vectors(...make),
  shape: [5, 3],
});
const images = (...make: (() => tf.layers.Layer)[]): Model => ({
  ...vectors(...make),
  shape: [5, 5, 1],
});

const dense = (options: object) => () => layers.dense({ units: 3, kernelInitializer, ...options });

/** Models whose loss tfjs can differentiate twice. */
const smooth: Record<string, Model> = {
  dense: vectors(dense({ activation: 'tanh' })),
  'dense without a bias': vectors(dense({ useBias: false })),
  'dense, relu': vectors(dense({ activation: 'relu' })),
  'dense, softmax': vectors(dense({ activation: 'softmax' })),
  'dense behind a frozen layer': vectors(dense({ trainable: false, useBias: false })),
  'dense over sequences': sequences(dense({ activation: 'sigmoid' }), () => layers.flatten()),
  LSTM: sequences(() => layers.lstm(recurrent)),
  GRU: sequences(() => layers.gru(recurrent)),
  SimpleRNN: sequences(() => layers.simpleRNN(recurrent)),
  'bidirectional LSTM': sequences(() =>
    layers.bidirectional({ layer: layers.lstm(recurrent) as never }),
  ),
  'time-distributed dense': sequences(
    () => layers.timeDistributed({ layer: dense({})() }),
    () => layers.flatten(),
  ),
  'layer normalization': vectors(dense({}), () => layers.layerNormalization()),
  PReLU: vectors(dense({}), () => layers.prelu({ alphaInitializer: 'ones' })),
};

/** Models with an operation that has no second derivative, by its name. */
const once: Record<string, readonly [operation: string, model: Model]> = {
  'dense, elu': ['EluGrad', vectors(dense({ activation: 'elu' }))],
  conv1d: [
    'Conv2DBackpropFilter',
    sequences(
      () => layers.conv1d({ filters: 2, kernelSize: 2, kernelInitializer }),
      () => layers.flatten(),
    ),
  ],
  conv2d: [
    'Conv2DBackpropFilter',
    images(
      () => layers.conv2d({ filters: 2, kernelSize: 2, kernelInitializer, activation: 'tanh' }),
      () => layers.flatten(),
    ),
  ],
  depthwiseConv2d: [
    'DepthwiseConv2dNativeBackpropFilter',
    images(
      () => layers.depthwiseConv2d({ kernelSize: 2, depthwiseInitializer: random(5) }),
      () => layers.flatten(),
    ),
  ],
};

const batch = 6;

function lossOf({ shape, make }: Model) {
  const [first, ...others] = make();
  first.batchInputShape = [null, ...shape];
  const model = tf.sequential({ layers: [first, ...others] });
  const size = batch * shape.reduce((product, length) => product * length, 1);
  const x = tf.tensor(normals(size, 1), [batch, ...shape]);
  const y = tf.tensor(normals(2 * batch, 2), [batch, 2]);
  return {
    variables: model.trainableWeights.map((weight) => weight.read() as tf.Variable),
    loss: (): tf.Scalar =>
      tf.losses.meanSquaredError(y, model.apply(x, { training: true }) as tf.Tensor),
    free: () => tf.dispose([x, y]),
  };
}

afterEach(() => tf.disposeVariables());

describe.each(backends)('on %s', (backend) => {
  eachOn(backend);
  // Variables are freed before tensors are counted.
  afterEach(() => tf.disposeVariables());

  test.each(Object.entries(smooth))('%s', async (_, model) => {
    const { loss, variables, free } = lossOf(model);
    const exact = await withoutLeak(() => sharpness(loss, variables));
    const numeric = await withoutLeak(() =>
      sharpness(loss, variables, { method: 'finiteDifference' }),
    );
    expect(exact.converged).toBe(true);
    expect(exact.value).toBeGreaterThan(0);
    expect(Math.abs(numeric.value / exact.value - 1)).toBeLessThan(1e-3);
    free();
  });

  test.each(['dense', 'LSTM', 'GRU'])('%s: its kin', async (name) => {
    const { loss, variables, free } = lossOf(smooth[name]);
    const { value, vector } = await sharpness(loss, variables);
    let at = 0;
    const parts = variables.map(({ shape, size }) =>
      tf.tensor(vector.slice(at, (at += size)), shape),
    );
    const products = await withoutLeak(() => {
      const made = hessianVectorProduct(loss, variables, parts);
      const values = made.flatMap((product) => [...product.dataSync()]);
      tf.dispose(made);
      return values;
    });
    // Of the eigenvector.
    products.forEach((product, i) =>
      expect(Math.abs(product - value * vector[i])).toBeLessThan(0.02 * value),
    );
    const optimizer = new AdamW({ learningRate: 0.01 });
    const preconditioned = await withoutLeak(() =>
      preconditionedSharpness(optimizer, loss, variables),
    );
    expect(preconditioned.value).toBeGreaterThan(0);
    tf.dispose(parts);
    optimizer.dispose();
    free();
  });
});

describe('an operation without a second derivative is named, and finite differences do', () => {
  eachOn('cpu');
  afterEach(() => tf.disposeVariables());

  test.each(Object.entries(once))('%s', async (_, [operation, model]) => {
    const { loss, variables, free } = lossOf(model);
    await expect(withoutLeak(() => sharpness(loss, variables))).rejects.toThrow(
      `sharpness: tfjs has no derivative of ${operation}, which the gradient`,
    );
    const { value } = await withoutLeak(() =>
      sharpness(loss, variables, { method: 'finiteDifference' }),
    );
    expect(value).toBeGreaterThan(0);
    free();
  });
});

describe('fused kernels in a loss of your own', () => {
  eachOn('wasm');
  afterEach(() => tf.disposeVariables());

  const fused: Record<string, (w: tf.Tensor2D, a: tf.Tensor2D, bias: tf.Tensor) => tf.Tensor> = {
    'without a bias': (b, a) => tf.fused.matMul({ a, b }),
    'with a constant bias': (b, a, bias) => tf.fused.matMul({ a, b, bias }),
    transposed: (b, a) => tf.fused.matMul({ a, b, transposeB: true }),
    'twice, of constants first': (b, a) =>
      tf.fused.matMul({ a: tf.fused.matMul({ a, b: tf.eye(3) }) as tf.Tensor2D, b }),
  };
  test.each(Object.entries(fused))('%s', async (_, f) => {
    const w = variableOf(normals(9, 6), [3, 3]);
    const a = tf.tensor2d(normals(15, 7), [5, 3]);
    const bias = tf.tensor1d([1, 2, 3]);
    const loss = () => tf.sum(tf.square(f(w as tf.Tensor2D, a, bias))) as tf.Scalar;
    const { value } = await withoutLeak(() => sharpness(loss, [w]));
    const numeric = await sharpness(loss, [w], { method: 'finiteDifference' });
    expect(numeric.value / value).toBeCloseTo(1, 3);
    tf.dispose([a, bias]);
  });
});
