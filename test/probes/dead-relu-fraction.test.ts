/** Dead units of networks in which it is known by construction which are dead. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deadReluFraction, type ReluFunction } from '../../src/probes/index.js';
import { useBackend } from '../support/backends.js';
import { backends, normals, variableOf, withoutLeak } from './support.js';

/** A bias that no input of the tests overcomes keeps the units where `dead` is true at 0. */
const biases = (dead: readonly boolean[]) => tf.tensor1d(dead.map((is) => (is ? -1e3 : 1)));

/** Random kernels, and biases by layer for all weights of rank 1. */
function setWeights(model: tf.LayersModel, dead: readonly (readonly boolean[])[]): void {
  const queue = [...dead];
  tf.tidy(() =>
    model.setWeights(
      model
        .getWeights()
        .map((weight, i) =>
          weight.rank === 1
            ? biases(queue.shift() ?? Array.from({ length: weight.size }, () => false))
            : tf.tensor(normals(weight.size, 30 + i), weight.shape),
        ),
    ),
  );
}

describe.each(backends)('on %s', (backend) => {
  beforeEach(() => useBackend(backend));
  afterEach(() => tf.disposeVariables());

  describe('of a tfjs-layers model', () => {
    test('dense layers, by layer and in all; a layer without ReLU has no units', async () => {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({ name: 'first', units: 4, inputShape: [3], activation: 'relu' }),
          tf.layers.dense({ name: 'middle', units: 3, activation: 'tanh' }),
          tf.layers.dense({ name: 'second', units: 5, activation: 'relu6' }),
          tf.layers.dense({ name: 'last', units: 2 }),
        ],
      });
      setWeights(model, [
        [true, false, false, true],
        [false, false, false],
        [true, false, true, true, false],
      ]);
      const x = tf.tensor2d(normals(60, 1), [20, 3]);
      expect(await withoutLeak(() => deadReluFraction(model, x))).toEqual({
        fraction: 5 / 9,
        dead: 5,
        units: 9,
        layers: {
          first: { fraction: 2 / 4, dead: 2, units: 4 },
          second: { fraction: 3 / 5, dead: 3, units: 5 },
        },
      });
      x.dispose();
    });

    test('one sample or position that switches a unit on is enough; exactly 0 is dead', async () => {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({ units: 3, inputShape: [1], activation: 'relu', useBias: false }),
        ],
      });
      tf.tidy(() => model.setWeights([tf.tensor2d([[1, -1, 0]])]));
      const [positive, both] = [tf.tensor2d([[1], [2]]), tf.tensor2d([[1], [-1e-6], [3]])];
      expect(await withoutLeak(() => deadReluFraction(model, positive))).toMatchObject({
        dead: 2,
        units: 3,
      });
      expect(await withoutLeak(() => deadReluFraction(model, both))).toMatchObject({
        dead: 1,
        units: 3,
      });
      [positive, both].forEach((tensor) => tensor.dispose());
    });

    test('a convolution counts its channels over all positions', async () => {
      const model = tf.sequential({
        layers: [
          tf.layers.conv2d({
            name: 'convolution',
            filters: 4,
            kernelSize: 3,
            inputShape: [6, 6, 2],
            activation: 'relu',
          }),
        ],
      });
      setWeights(model, [[false, true, false, true]]);
      const x = tf.tensor4d(normals(72, 2), [1, 6, 6, 2]);
      expect(await withoutLeak(() => deadReluFraction(model, x))).toMatchObject({
        dead: 2,
        units: 4,
      });
      x.dispose();
    });

    test('a residual network: the sum goes through a ReLU layer of its own, before which units count', async () => {
      const input = tf.input({ shape: [4] });
      const hidden = tf.layers
        .dense({ name: 'hidden', units: 4, activation: 'relu' })
        .apply(input) as tf.SymbolicTensor;
      const branch = tf.layers
        .dense({ name: 'branch', units: 4 })
        .apply(hidden) as tf.SymbolicTensor;
      const sum = tf.layers.add().apply([input, branch]) as tf.SymbolicTensor;
      const model = tf.model({
        inputs: input,
        outputs: tf.layers.reLU({ name: 'after' }).apply(sum) as tf.SymbolicTensor,
      });
      setWeights(model, [
        [false, false, false, true],
        [true, true, false, false],
      ]);
      const x = tf.tensor2d(normals(4000, 3), [1000, 4]);
      expect((await withoutLeak(() => deadReluFraction(model, x))).layers).toEqual({
        hidden: { fraction: 1 / 4, dead: 1, units: 4 },
        after: { fraction: 2 / 4, dead: 2, units: 4 },
      });
      x.dispose();
    });

    test('an activation layer, and a layer that is called twice: alive in one call is alive', async () => {
      const input = tf.input({ shape: [2] });
      const relu = tf.layers.activation({ name: 'shared', activation: 'relu' });
      const negated = tf.layers.dense({ units: 2, useBias: false, kernelInitializer: 'zeros' });
      const outputs = tf.layers
        .add()
        .apply([
          relu.apply(input) as tf.SymbolicTensor,
          relu.apply(negated.apply(input)) as tf.SymbolicTensor,
        ]) as tf.SymbolicTensor;
      const model = tf.model({ inputs: input, outputs });
      tf.tidy(() =>
        model.setWeights([
          tf.tensor2d([
            [0, 0],
            [1, 0],
          ]),
        ]),
      );
      // The first unit sees 0 here and 3 there, the second 3 and 0.
      const x = tf.tensor2d([[-1, 3]]);
      expect((await withoutLeak(() => deadReluFraction(model, x))).layers).toEqual({
        shared: { fraction: 0, dead: 0, units: 2 },
      });
      const alone = tf.tensor2d([[-1, -1]]);
      expect((await withoutLeak(() => deadReluFraction(model, alone))).dead).toBe(2);
      [x, alone].forEach((tensor) => tensor.dispose());
    });

    test('models inside a model may name their layers alike', async () => {
      const inner = (units: number) =>
        tf.sequential({
          layers: [tf.layers.dense({ name: 'same', units, inputShape: [3], activation: 'relu' })],
        });
      const input = tf.input({ shape: [3] });
      const model = tf.model({
        inputs: input,
        outputs: [inner(2), inner(3)].map((part) => part.apply(input) as tf.SymbolicTensor),
      });
      setWeights(model, [
        [true, false],
        [true, true, false],
      ]);
      const x = tf.tensor2d(normals(30, 4), [10, 3]);
      expect(await withoutLeak(() => deadReluFraction(model, x))).toMatchObject({
        dead: 3,
        units: 5,
        layers: { same: { dead: 1, units: 2 }, same_1: { dead: 2, units: 3 } },
      });
      x.dispose();
    });
  });

  describe('of a plain function', () => {
    const [units, samples] = [6, 12];
    const setUp = (dead: number) => {
      const w = variableOf(normals(3 * units, 5), [3, units]);
      const bias = variableOf(
        Array.from({ length: units }, (_, i) => (i < dead ? -1e3 : 1)),
        [units],
      );
      return {
        w: w as unknown as tf.Tensor2D,
        bias,
        x: tf.tensor2d(normals(3 * samples, 6), [samples, 3]),
      };
    };

    test.each([0, 2, units])('%i units are dead', async (dead) => {
      const { w, bias, x } = setUp(dead);
      const forward: ReluFunction<tf.Tensor2D> = (given, relu) =>
        relu(tf.add(tf.matMul(given, w), bias));
      expect(await withoutLeak(() => deadReluFraction(forward, x))).toEqual({
        fraction: dead / units,
        dead,
        units,
        layers: { relu0: { fraction: dead / units, dead, units } },
      });
      x.dispose();
    });

    test('calls get names in order, or the given ones; a name again is the same layer; the result is that of tf.relu', async () => {
      const { w, bias, x } = setUp(2);
      const results: number[][] = [];
      const forward: ReluFunction<tf.Tensor2D> = (given, relu) => {
        const z = tf.add(tf.matMul(given, w), bias);
        results.push([...relu(z).dataSync()], [...tf.relu(z).dataSync()]);
        relu(tf.neg(z), 'mirrored');
        relu(tf.sub(z, 1e4), 'twice');
        relu(z, 'twice');
      };
      const { layers } = await withoutLeak(() => deadReluFraction(forward, x));
      expect(results[0]).toEqual(results[1]);
      expect(Object.keys(layers)).toEqual(['relu0', 'mirrored', 'twice']);
      expect([layers.relu0.dead, layers.twice.dead]).toEqual([2, 2]);
      expect(layers.mirrored.dead).toBeLessThan(units);
      x.dispose();
    });

    test('one sample without a batch axis', async () => {
      const x = tf.tensor1d([1, -1, 0]);
      expect(
        await withoutLeak(() => deadReluFraction((given: tf.Tensor, relu) => relu(given), x)),
      ).toMatchObject({ dead: 2, units: 3 });
      x.dispose();
    });
  });

  test('errors say what to do, and leave no tensor behind', async () => {
    const x = tf.tensor2d([[1, -1]]);
    const fails = (f: () => Promise<unknown>, message: string) =>
      expect(withoutLeak(f)).rejects.toThrow(`deadReluFraction: ${message}`);
    const leaky = tf.sequential({
      layers: [
        tf.layers.dense({ units: 2, inputShape: [2], activation: 'tanh' }),
        tf.layers.leakyReLU(),
      ],
    });
    await fails(
      () => deadReluFraction(leaky, x),
      'the model has no ReLU, so that no unit of it can be dead; compare stableRank and representationChange instead',
    );
    await fails(
      () => deadReluFraction((given: tf.Tensor) => tf.relu(given), x),
      'the function called no ReLU; let it call its second argument, relu(preActivation), in place of tf.relu',
    );
    await fails(
      () => deadReluFraction('model' as never, x),
      "target must be a tfjs-layers model or a function of the inputs, got 'model'",
    );
    await fails(
      () => deadReluFraction((_: tf.Tensor, relu) => relu([1] as never), x),
      'relu must be called with a tensor of rank 1 or more, got [1]',
    );
    await fails(
      () =>
        deadReluFraction(
          (given: tf.Tensor, relu) => relu(tf.concat([relu(given, 'a'), given], 1), 'a'),
          x,
        ),
      "'a': units must be as many as in its first call, 2, got 4",
    );
    await fails(
      () => deadReluFraction((given: tf.Tensor, relu) => relu(tf.log(given)), x),
      "a pre-activation of 'relu0' is not finite; the weights have diverged",
    );
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 2, inputShape: [2], activation: 'relu' })],
    });
    const wrong = tf.ones([1, 3]);
    await expect(withoutLeak(() => deadReluFraction(model, wrong))).rejects.toThrow('expected');
    expect(model.layers.some((layer) => Object.hasOwn(layer, 'call'))).toBe(false);
    [x, wrong].forEach((tensor) => tensor.dispose());
  });
});

test('a convolution with its channels first counts those', async () => {
  // Only the cpu backend computes such layers, by transposing.
  await useBackend('cpu');
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        filters: 3,
        kernelSize: 2,
        inputShape: [2, 5, 5],
        dataFormat: 'channelsFirst',
        activation: 'relu',
      }),
    ],
  });
  setWeights(model, [[true, false, true]]);
  const x = tf.tensor4d(normals(100, 7), [2, 2, 5, 5]);
  expect(await withoutLeak(() => deadReluFraction(model, x))).toMatchObject({ dead: 2, units: 3 });
  x.dispose();
  tf.disposeVariables();
});
