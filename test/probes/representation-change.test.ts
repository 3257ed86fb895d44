/**
 * Representation change against the same networks in double: |dW X| / |W X| layer by layer (spec of
 * arXiv 2510.19093).
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AdamW, SGDMomentum } from '../../src/optimizers/index.js';
import {
  representationChange,
  type Forward,
  type LinearCall,
  type RepresentationChange,
} from '../../src/probes/index.js';
import { useBackend } from '../support/backends.js';
import { assign, backends, normals, variableOf, withoutLeak } from './support.js';

type Numbers = ArrayLike<number>;
/** A map that is linear in the weights. */
type Map64 = (x: Numbers, w: Numbers) => number[];
/** A network in double: `linear(i, x, map)` is the product of x with the i-th weight. */
type Network64 = (
  weights: readonly Numbers[],
  linear: (i: number, x: Numbers, map: Map64) => number[],
) => number[];

/** |x - y| over all numbers; |x| without y. */
const distance = (x: readonly Numbers[], y?: readonly Numbers[]): number =>
  Math.hypot(...x.flatMap((list, i) => Array.from(list, (value, k) => value - (y?.[i][k] ?? 0))));

/** [rows, inner] times [inner, columns]. */
const product =
  (inner: number, columns: number): Map64 =>
  (x, w) =>
    Array.from({ length: (x.length / inner) * columns }, (_, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns];
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += x[row * inner + k] * w[k * columns + column];
      return sum;
    });
/** [rows, inner] times the transpose of [columns, inner]. */
const transposedProduct =
  (inner: number, columns: number): Map64 =>
  (x, w) =>
    product(inner, columns)(
      x,
      Array.from(
        { length: inner * columns },
        (_, at) => w[(at % columns) * inner + Math.floor(at / columns)],
      ),
    );
/** Rows of the table [vocabulary, width]. */
const lookUp =
  (width: number): Map64 =>
  (tokens, table) =>
    Array.from(tokens).flatMap((token) =>
      Array.from({ length: width }, (_, k) => table[token * width + k]),
    );
/** Images [n, size, size, channels], a kernel [3, 3, channels, filters], no padding. */
const convolution =
  (size: number, channels: number, filters: number): Map64 =>
  (x, kernel) => {
    const side = size - 2;
    return Array.from(
      { length: (x.length / (size * size * channels)) * side * side * filters },
      (_, at) => {
        const [n, row, column, filter] = [
          Math.floor(at / (side * side * filters)),
          Math.floor(at / (side * filters)) % side,
          Math.floor(at / filters) % side,
          at % filters,
        ];
        let sum = 0;
        for (let i = 0; i < 3; i++) {
          for (let j = 0; j < 3; j++) {
            for (let c = 0; c < channels; c++)
              sum +=
                x[((n * size + row + i) * size + column + j) * channels + c] *
                kernel[((i * 3 + j) * channels + c) * filters + filter];
          }
        }
        return sum;
      },
    );
  };
const plus = (x: number[], bias: Numbers): number[] =>
  x.map((value, i) => value + bias[i % bias.length]);
const relu = (x: number[]): number[] => x.map((value) => Math.max(0, value));

/** What the probe measures, in double, in the order in which the network meets its weights. */
function reference(network: Network64, before: readonly Numbers[], after: readonly Numbers[]) {
  const run = (weights: readonly Numbers[]) => {
    const calls: { i: number; x: Numbers; map: Map64 }[] = [];
    const output = network(weights, (i, x, map) => {
      calls.push({ i, x, map });
      return map(x, weights[i]);
    });
    return { calls, output };
  };
  const [old, now] = [run(before), run(after)];
  const layers = [...new Set(old.calls.map(({ i }) => i))].map((i) => {
    const [callsBefore, callsAfter] = [old, now].map(({ calls }) =>
      calls.filter((call) => call.i === i),
    );
    const change = Array.from(after[i], (w, k) => w - before[i][k]);
    const outputs = callsBefore.map(({ x, map }) => map(x, before[i]));
    const local = distance(callsBefore.map(({ x, map }) => map(x, change))) / distance(outputs);
    const total =
      distance(
        callsAfter.map(({ x, map }) => map(x, after[i])),
        outputs,
      ) / distance(outputs);
    const relativeUpdate = distance([change]) / distance([before[i]]);
    return { local, total, relativeUpdate, alignmentRatio: local / relativeUpdate };
  });
  return { total: distance([now.output], [old.output]) / distance([old.output]), layers };
}

function expectNear(actual: RepresentationChange, wanted: ReturnType<typeof reference>): void {
  const near = (value: number, exact: number, what: string) =>
    expect(Math.abs(value / exact - 1), `${what}: ${value} for ${exact}`).toBeLessThan(2e-5);
  near(actual.total, wanted.total, 'total');
  const layers = Object.entries(actual.layers);
  expect(layers.length).toBe(wanted.layers.length);
  for (const [i, [name, layer]] of layers.entries()) {
    for (const [metric, exact] of Object.entries(wanted.layers[i]))
      near(layer[metric as keyof typeof layer], exact, `${name} ${metric}`);
  }
}

const copies = (tensors: readonly tf.Tensor[]): Float32Array[] =>
  tensors.map((tensor) => tensor.dataSync().slice() as Float32Array);
const sumOfSquares = (y: tf.Tensor | tf.Tensor[]): tf.Scalar =>
  tf.sum(tf.square(y as tf.Tensor)) as tf.Scalar;

describe.each(backends)('on %s', (backend) => {
  beforeEach(() => useBackend(backend));
  afterEach(() => tf.disposeVariables());

  describe('of a tfjs-layers model', () => {
    /** The model after one step of an optimizer, against its twin in double. */
    async function compare(
      model: tf.LayersModel,
      inputs: tf.Tensor,
      network: Network64,
    ): Promise<void> {
      // Of some gradients: tfjs has none of convolutions on wasm.
      const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
      const gradients = variables.map(({ name, shape, size }, i) => ({
        name,
        tensor: tf.tensor(normals(size, 20 + i), shape),
      }));
      const optimizer = new AdamW({ learningRate: 0.03, weightDecay: 0 });
      const before = copies(variables);
      const change = await withoutLeak(() =>
        representationChange(model, inputs, () => optimizer.applyGradients(gradients)),
      );
      expectNear(change, reference(network, before, copies(variables)));
      const weightNames = model.trainableWeights
        .map(({ originalName }) => originalName)
        .filter((name) => !name.endsWith('bias'));
      expect(Object.keys(change.layers).map((name) => name.replace(/_\d+$/, ''))).toEqual(
        weightNames,
      );
      optimizer.dispose();
    }

    test('dense, with biases and ReLU', async () => {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({
            units: 9,
            inputShape: [6],
            activation: 'relu',
            biasInitializer: 'ones',
          }),
          tf.layers.dense({ units: 4, biasInitializer: 'ones' }),
        ],
      });
      const inputs = tf.tensor2d(normals(30, 1), [5, 6]);
      await compare(model, inputs, ([, c, , d], linear) =>
        plus(
          linear(2, relu(plus(linear(0, inputs.dataSync(), product(6, 9)), c)), product(9, 4)),
          d,
        ),
      );
    });

    test('conv2d, then dense', async () => {
      const model = tf.sequential({
        layers: [
          tf.layers.conv2d({
            filters: 3,
            kernelSize: 3,
            inputShape: [6, 6, 2],
            activation: 'relu',
            biasInitializer: 'ones',
          }),
          tf.layers.flatten(),
          tf.layers.dense({ units: 4, useBias: false }),
        ],
      });
      const inputs = tf.tensor4d(normals(3 * 72, 2), [3, 6, 6, 2]);
      await compare(model, inputs, ([, bias], linear) =>
        linear(
          2,
          relu(plus(linear(0, inputs.dataSync(), convolution(6, 2, 3)), bias)),
          product(48, 4),
        ),
      );
    });

    test('an embedding, and a dense layer that is called twice', async () => {
      const tokens = tf.input({ shape: [3] });
      const shared = tf.layers.dense({ units: 4, activation: 'relu', useBias: false });
      const embedded = tf.layers
        .embedding({ inputDim: 7, outputDim: 4, embeddingsInitializer: 'randomNormal' })
        .apply(tokens) as tf.SymbolicTensor;
      const twice = shared.apply(shared.apply(embedded)) as tf.SymbolicTensor;
      const output = tf.layers
        .dense({ units: 2, useBias: false })
        .apply(tf.layers.flatten().apply(twice)) as tf.SymbolicTensor;
      const model = tf.model({ inputs: tokens, outputs: output });
      const inputs = tf.tensor2d([1, 2, 6, 0, 2, 2, 5, 4, 1], [3, 3]);
      await compare(model, inputs, (_, linear) => {
        const once = relu(linear(1, linear(0, inputs.dataSync(), lookUp(4)), product(4, 4)));
        return linear(2, relu(linear(1, once, product(4, 4))), product(12, 2));
      });
    });

    test('a model inside a model', async () => {
      const inner = tf.sequential({
        layers: [
          tf.layers.dense({ units: 5, inputShape: [4], activation: 'relu', useBias: false }),
        ],
      });
      const model = tf.sequential({
        layers: [inner, tf.layers.dense({ units: 3, useBias: false })],
      });
      const inputs = tf.tensor2d(normals(24, 3), [6, 4]);
      await compare(model, inputs, (_, linear) =>
        linear(1, relu(linear(0, inputs.dataSync(), product(4, 5))), product(5, 3)),
      );
    });

    const layers: Record<string, () => readonly [layer: tf.layers.Layer, inputShape: number[]]> = {
      'dense over sequences': () => [tf.layers.dense({ units: 4, inputShape: [3, 5] }), [2, 3, 5]],
      'conv1d, dilated': () => [
        tf.layers.conv1d({ filters: 3, kernelSize: 2, dilationRate: 2, inputShape: [7, 2] }),
        [2, 7, 2],
      ],
      'conv2d with strides': () => [
        tf.layers.conv2d({
          filters: 3,
          kernelSize: 3,
          strides: 2,
          padding: 'same',
          inputShape: [7, 7, 2],
        }),
        [2, 7, 7, 2],
      ],
      conv2dTranspose: () => [
        tf.layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, inputShape: [4, 4, 2] }),
        [2, 4, 4, 2],
      ],
      depthwiseConv2d: () => [
        tf.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, inputShape: [6, 6, 3] }),
        [2, 6, 6, 3],
      ],
      timeDistributed: () => [
        tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 4 }), inputShape: [3, 5] }),
        [2, 3, 5],
      ],
    };
    test.each(Object.entries(layers))(
      'one layer alone, whose output is all that changes: %s',
      async (_, make) => {
        const [layer, shape] = make();
        const model = tf.sequential({ layers: [layer] });
        const inputs = tf.tensor(
          normals(
            shape.reduce((p, q) => p * q),
            4,
          ),
          shape,
        );
        const outputs = () => copies([model.predict(inputs) as tf.Tensor]);
        const before = outputs();
        const [weight] = model.trainableWeights;
        const change = await withoutLeak(() =>
          representationChange(model, inputs, () =>
            tf.tidy(
              () =>
                void weight.write(
                  tf.add(
                    weight.read(),
                    tf.tensor(normals(weight.read().size, 5), weight.shape as number[]),
                  ),
                ),
            ),
          ),
        );
        const exact = distance(outputs(), before) / distance(before);
        const [{ local, total }] = Object.values(change.layers);
        for (const value of [local, total, change.total])
          expect(Math.abs(value / exact - 1)).toBeLessThan(2e-5);
      },
    );
  });

  describe('of a plain function', () => {
    const [samples, width] = [8, 5];
    const build = () => {
      const w = [
        variableOf(normals(width * width, 6), [width, width]),
        variableOf(normals(width * width, 7), [width, width]),
      ];
      const x = tf.tensor2d(normals(samples * width, 8), [samples, width]);
      const forward: Forward<tf.Tensor> = (given, linear) =>
        linear(tf.relu(linear(given, w[0])), w[1]);
      const network: Network64 = (_, linear) =>
        linear(1, relu(linear(0, x.dataSync(), product(width, width))), product(width, width));
      const move = (scale: number) => () =>
        w.forEach((weight, i) =>
          assign(
            weight,
            weight.dataSync().map((value, k) => value + scale * normals(width * width, 9 + i)[k]),
          ),
        );
      return { w, x, forward, network, move };
    };

    test.each([1, 1e-2, 1e-4])('an update of size %f', async (scale) => {
      const { w, x, forward, network, move } = build();
      const before = copies(w);
      const change = await withoutLeak(() => representationChange(forward, x, move(scale)));
      const wanted = reference(network, before, copies(w));
      // The totals are differences of float32 numbers.
      if (scale === 1) expectNear(change, wanted);
      for (const [i, { local }] of Object.values(change.layers).entries())
        expect(Math.abs(local / wanted.layers[i].local - 1)).toBeLessThan(1e-5);
      expect(Math.abs(change.total - wanted.total)).toBeLessThan(1e-6 + 2e-5 * wanted.total);
    });

    test('an update of a few last digits does not drown in rounding', async () => {
      const { w, x, forward, network, move } = build();
      const before = copies(w);
      const { layers } = await representationChange(forward, x, move(3e-7));
      const wanted = reference(network, before, copies(w));
      for (const [i, { local, relativeUpdate }] of Object.values(layers).entries()) {
        expect(wanted.layers[i].local).toBeLessThan(1e-6);
        expect(Math.abs(local / wanted.layers[i].local - 1)).toBeLessThan(1e-5);
        expect(Math.abs(relativeUpdate / wanted.layers[i].relativeUpdate - 1)).toBeLessThan(1e-5);
      }
    });

    test("local is the layer's own part: with the second weight still, only its total changes", async () => {
      const { w, x, forward, move } = build();
      const still = w[1].dataSync().slice();
      const { layers } = await representationChange(forward, x, () => {
        move(0.1)();
        assign(w[1], still);
      });
      const [first, second] = w.map(({ name }) => layers[name]);
      expect(first.local).toBeGreaterThan(0.01);
      expect(Math.abs(first.total / first.local - 1)).toBeLessThan(1e-5);
      expect(second.local).toBe(0);
      expect(second.total).toBeGreaterThan(0.01);
    });

    test('tied weights, used in two ways', async () => {
      const table = variableOf(normals(7 * 4, 10), [7, 4]);
      const tokens = tf.tensor1d([3, 1, 6, 6, 0], 'int32');
      const forward: Forward<tf.Tensor> = (given, linear) =>
        linear(
          tf.relu(
            linear(given, table, (ids, weights) => tf.gather(weights, ids as tf.Tensor1D, 0)),
          ),
          table,
          (x, weights) => tf.matMul(x, weights, false, true),
        );
      const before = copies([table]);
      const change = await withoutLeak(() =>
        representationChange(forward, tokens, () =>
          assign(
            table,
            before[0].map((value, i) => value + 0.1 * normals(28, 11)[i]),
          ),
        ),
      );
      expectNear(
        change,
        reference(
          (_, linear) =>
            linear(0, relu(linear(0, tokens.dataSync(), lookUp(4))), transposedProduct(4, 7)),
          before,
          copies([table]),
        ),
      );
    });

    test('several outputs, an async update, and inputs of any kind', async () => {
      const { w, x, move } = build();
      const forward: Forward<{ x: tf.Tensor }> = (given, linear) =>
        w.map((weight) => linear(given.x, weight));
      const before = copies(w);
      const change = await withoutLeak(() =>
        representationChange(forward, { x }, async () => {
          await tf.nextFrame();
          move(0.5)();
        }),
      );
      const all = (_: readonly Numbers[], linear: Parameters<Network64>[1]) =>
        [0, 1].flatMap((i) => linear(i, x.dataSync(), product(width, width)));
      expectNear(change, reference(all, before, copies(w)));
    });

    test('an update that changes nothing', async () => {
      const { w, x, forward } = build();
      const { total, layers } = await withoutLeak(() =>
        representationChange(forward, x, () => undefined),
      );
      expect(total).toBe(0);
      expect(layers[w[0].name]).toMatchObject({ local: 0, total: 0, relativeUpdate: 0 });
    });

    test('an optimizer that updates in place leaves the copies alone', async () => {
      const { w, x, forward, network } = build();
      const before = copies(w);
      const optimizer = new SGDMomentum({ learningRate: 0.01 });
      const change = await representationChange(forward, x, () =>
        optimizer.minimize(() =>
          sumOfSquares(forward(x, ((given, weight) => tf.matMul(given, weight)) as LinearCall)),
        ),
      );
      expectNear(change, reference(network, before, copies(w)));
      optimizer.dispose();
    });

    test('errors leave no tensor behind', async () => {
      const { w, x, forward } = build();
      const fails = (f: () => Promise<unknown>, message: string) =>
        expect(withoutLeak(f)).rejects.toThrow(message);
      await fails(
        () =>
          representationChange(forward, x, () => {
            throw new Error('out of data');
          }),
        'out of data',
      );
      await fails(
        () => representationChange(forward, x, () => Promise.reject(new Error('out of data'))),
        'out of data',
      );
      await fails(
        () => representationChange(undefined as never, x, () => {}),
        'representationChange: target must be a tfjs-layers model or a function of the inputs, got undefined',
      );
      await fails(
        () => representationChange(forward, x, undefined as never),
        'representationChange: update must be a function that updates the weights, got undefined',
      );
      await fails(
        () =>
          representationChange(
            () => x.clone(),
            x,
            () => {},
          ),
        'representationChange: the function measured no weight; let it call its second argument, linear(inputs, weights)',
      );
      await fails(
        () =>
          representationChange(
            (given, linear) => linear(given, x as never),
            x,
            () => {},
          ),
        'representationChange: weights of linear must be a tf.Variable, got a tensor of shape [8,5]',
      );
      await fails(
        () =>
          representationChange(
            (given, linear) => void linear(given, w[0]) as never,
            x,
            () => {},
          ),
        'representationChange: target must give a tensor, got undefined',
      );
      let passes = 0;
      await fails(
        () =>
          representationChange(
            (given, linear) => linear(given, w[passes++]),
            x,
            () => {},
          ),
        `representationChange: '${w[0].name}' was measured in 1 call before the update and 0 after it`,
      );
      passes = 0;
      const twiceAtFirst: Forward<tf.Tensor> = (given, linear) =>
        passes++ === 0 ? linear(linear(given, w[0]), w[0]) : linear(given, w[0]);
      await fails(
        () => representationChange(twiceAtFirst, x, () => {}),
        `representationChange: '${w[0].name}' was measured in 2 calls before the update and 1 after it`,
      );
      const model = tf.sequential({
        layers: [tf.layers.activation({ activation: 'tanh', inputShape: [5] })],
      });
      await fails(
        () => representationChange(model, x, () => {}),
        'representationChange: the model has no dense, convolution or embedding layer; measure a function',
      );
      const dense = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [5] })] });
      await fails(
        () =>
          representationChange(dense, x, () => {
            throw new Error('out of data');
          }),
        'out of data',
      );
      // A watched layer is itself again.
      expect(dense.layers.some((layer) => Object.hasOwn(layer, 'call'))).toBe(false);
    });
  });
});
