/**
 * XNNPACK keeps packed copies of weights by tensor id. Weights that change in place would go on
 * being used in their old form, silently, by just these operations.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { WasmBackend } from '../../src/executors/wasm-backend-heap.js';
import { RuleOptimizer, SGDMomentum } from '../../src/optimizers/index.js';
import { defineRule, mul, sub } from '../../src/rules/index.js';
import { bitsOf, numbersTensor, numbersVariable, stepWith, useBackend } from './tools.js';

type Operation = {
  readonly name: string;
  readonly shape: number[];
  /**
   * Makes the operation; its other inputs stay the same tensors, since the cache goes by all of
   * them.
   */
  readonly make: () => (w: tf.Variable) => tf.Tensor;
  /** True if tfjs keeps a packed copy: such an operation would go on with old weights. */
  readonly cached: boolean;
};

const image = () => numbersTensor([2, 6, 6, 4], 1) as tf.Tensor4D;
const matrix = (shape = [5, 8]) => numbersTensor(shape, 2) as tf.Tensor2D;
const filter = (shape: number[]) => numbersTensor(shape, 4) as tf.Tensor4D;
const convolution = (strides: number, pad: 'same' | 'valid') => () => {
  const x = image();
  return (w: tf.Variable) => tf.conv2d(x, w as tf.Tensor as tf.Tensor4D, strides, pad);
};
const product =
  (shape: number[], transposed = false) =>
  () => {
    const x = matrix(shape);
    return (w: tf.Variable) => tf.matMul(x, w, false, transposed);
  };

const operations: Operation[] = [
  { name: 'conv2d 3x3', cached: true, shape: [3, 3, 4, 8], make: convolution(1, 'same') },
  { name: 'conv2d 1x1', cached: true, shape: [1, 1, 4, 8], make: convolution(1, 'valid') },
  { name: 'conv2d, strided', cached: true, shape: [3, 3, 4, 8], make: convolution(2, 'valid') },
  {
    name: 'depthwise conv2d',
    cached: true,
    shape: [3, 3, 4, 1],
    make: () => {
      const x = image();
      return (w) => tf.depthwiseConv2d(x, w as tf.Tensor as tf.Tensor4D, 1, 'same');
    },
  },
  {
    name: 'fused conv2d, filter',
    cached: true,
    shape: [3, 3, 4, 8],
    make: () => {
      const [x, bias] = [image(), tf.ones([8])];
      return (w) =>
        tf.fused.conv2d({
          x,
          filter: w as tf.Tensor as tf.Tensor4D,
          strides: 1,
          pad: 'same',
          bias,
          activation: 'relu',
        });
    },
  },
  {
    name: 'fused conv2d, bias',
    cached: true,
    shape: [8],
    make: () => {
      const [x, weights] = [image(), filter([3, 3, 4, 8])];
      return (bias) => tf.fused.conv2d({ x, filter: weights, strides: 1, pad: 'same', bias });
    },
  },
  {
    name: 'fused depthwise conv2d, filter',
    cached: true,
    shape: [3, 3, 4, 1],
    make: () => {
      const [x, bias] = [image(), tf.ones([4])];
      return (w) =>
        tf.fused.depthwiseConv2d({
          x,
          filter: w as tf.Tensor as tf.Tensor4D,
          strides: 1,
          pad: 'same',
          bias,
        });
    },
  },
  {
    name: 'fused depthwise conv2d, bias',
    cached: true,
    shape: [4],
    make: () => {
      const [x, weights] = [image(), filter([3, 3, 4, 1])];
      return (bias) =>
        tf.fused.depthwiseConv2d({ x, filter: weights, strides: 1, pad: 'same', bias });
    },
  },
  { name: 'matMul, right side, rank 2', cached: true, shape: [8, 7], make: product([5, 8]) },
  {
    name: 'matMul, right side, rank 3 of one matrix',
    cached: true,
    shape: [1, 8, 7],
    make: product([1, 5, 8]),
  },
  { name: 'matMul, many left sides', cached: false, shape: [1, 8, 7], make: product([3, 5, 8]) },
  { name: 'matMul, right side, rank 3', cached: false, shape: [3, 8, 7], make: product([3, 5, 8]) },
  {
    name: 'matMul, right side transposed',
    cached: false,
    shape: [7, 8],
    make: product([5, 8], true),
  },
  {
    name: 'matMul, left side',
    cached: false,
    shape: [8, 5],
    make: () => {
      const x = matrix();
      return (w) => tf.matMul(w, x);
    },
  },
  {
    name: 'fused matMul, weight',
    cached: true,
    shape: [8, 7],
    make: () => {
      const [a, bias] = [matrix(), tf.ones([7])];
      return (b) => tf.fused.matMul({ a, b, bias, activation: 'relu' });
    },
  },
  {
    name: 'fused matMul, bias',
    cached: true,
    shape: [7],
    make: () => {
      const [a, b] = [matrix(), numbersTensor([8, 7], 5)];
      return (bias) => tf.fused.matMul({ a, b, bias });
    },
  },
  {
    name: 'prelu',
    cached: true,
    shape: [4],
    make: () => {
      const x = image();
      return (alpha) => tf.prelu(x, alpha as tf.Tensor as tf.Tensor4D);
    },
  },
];

beforeAll(() => useBackend('wasm'));
beforeEach(() => void tf.engine().startScope());
afterEach(() => {
  tf.engine().endScope();
  vi.restoreAllMocks();
});

function runStepRun({ shape, make }: Operation) {
  const run = make();
  const variable = numbersVariable(shape, 6);
  const optimizer = new SGDMomentum({ learningRate: 0.5 });
  const before = bitsOf(run(variable));
  stepWith(optimizer, [variable, numbersTensor(shape, 7)]);
  expect(optimizer.executorName).toBe('wasm');
  const after = bitsOf(run(variable));
  const fresh = tf.variable(tf.tensor(variable.dataSync().slice(), shape));
  const expected = bitsOf(run(fresh));
  // A second step meets what the first one left behind.
  stepWith(optimizer, [variable, numbersTensor(shape, 8)]);
  const afterTwo = bitsOf(run(variable));
  const freshTwo = tf.variable(tf.tensor(variable.dataSync().slice(), shape));
  const expectedTwo = bitsOf(run(freshTwo));
  optimizer.dispose();
  tf.dispose([variable, fresh, freshTwo]);
  return { before, after, expected, afterTwo, expectedTwo };
}

describe('sees the new weights right after a step', () => {
  test.each(operations.map((operation) => [operation.name, operation] as const))(
    '%s',
    (_, operation) => {
      const { before, after, expected, afterTwo, expectedTwo } = runStepRun(operation);
      expect(after).toEqual(expected);
      expect(after).not.toEqual(before);
      expect(afterTwo).toEqual(expectedTwo);
      expect(afterTwo).not.toEqual(after);
    },
  );
});

describe('would use the old weights if the cache were kept', () => {
  // If tfjs drops its cache by itself one day, these fail, and `BackendHeap.commit` can go.
  test.each(
    operations
      .filter(({ cached }) => cached)
      .map((operation) => [operation.name, operation] as const),
  )('%s', (_, operation) => {
    vi.spyOn((tf.backend() as unknown as WasmBackend).wasm.tfjs, 'disposeData').mockImplementation(
      () => undefined,
    );
    const { before, after, expected } = runStepRun(operation);
    expect(expected).not.toEqual(before);
    expect(after).toEqual(before);
  });
});

test('prepare drops the cache too', () => {
  const rule = defineRule({
    name: 'halved',
    prepare: ({ w }) => ({ w: mul(w, 0.5) }),
    update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)) }),
  });
  const variable = numbersVariable([8, 7], 9);
  const left = matrix();
  const before = tf.matMul(left, variable);
  const optimizer = new RuleOptimizer({ rule, learningRate: 1 });
  optimizer.prepare([variable]);
  expect(bitsOf(tf.matMul(left, variable))).toEqual(bitsOf(tf.mul(before, 0.5)));
  optimizer.dispose();
  variable.dispose();
});
