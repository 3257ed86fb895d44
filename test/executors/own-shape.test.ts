/**
 * After a step by tfjs operations a variable's data have the variable's own shape: the wasm backend
 * goes by the shape in which data were made.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { AdamW, LionAR, RotationalAdamW, type FusedOptimizer } from '../../src/optimizers/index.js';
import { defaultCases } from '../support/optimizers.js';
import { numbersTensor, numbersVariable, useBackend } from './tools.js';

afterEach(() => void vi.restoreAllMocks());

/** The shape of a tensor's data, as the wasm backend knows it; data of other backends move there. */
async function shapeOfData(tensor: tf.Tensor): Promise<readonly number[]> {
  await useBackend('wasm');
  tf.tidy(() => void tf.neg(tensor));
  const { dataIdMap } = tf.backend() as unknown as {
    dataIdMap: { get(id: object): { shape: readonly number[] } };
  };
  return dataIdMap.get(tensor.dataId).shape;
}

function step(optimizer: FusedOptimizer, variables: readonly tf.Variable[]): void {
  const gradients = variables.map(({ name, shape }, i) => ({
    name,
    tensor: numbersTensor(shape, 20 + i),
  }));
  optimizer.prepare(variables);
  optimizer.applyGradients(gradients);
  gradients.forEach(({ tensor }) => tensor.dispose());
}

const shapes = [[7], [1], [3, 5], [5, 1], [1, 5], [2, 3, 4], [3, 3, 2, 4], [2, 3, 2, 2, 3]];

describe.each(['wasm', 'cpu'])('made on %s', (backend) => {
  test.each(defaultCases.map(({ name, make, rates }) => ({ name, make, rates })))(
    '$name: variables of all ranks',
    async ({ make, rates }) => {
      await useBackend(backend);
      const variables = shapes.map((shape, i) => numbersVariable(shape, 1 + i));
      const optimizer = make({ ...rates, executor: 'ops' });
      step(optimizer, variables);
      for (const variable of variables) expect(await shapeOfData(variable)).toEqual(variable.shape);
      optimizer.dispose();
      tf.dispose(variables);
    },
  );

  test.each([
    [[5, 3], 0],
    [[4, 3, 2], 0],
    [[4, 3, 2], 1],
    [
      [2, 3, 4],
      [0, 2],
    ],
    [
      [3, 2, 2, 3],
      [1, 3],
    ],
    [
      [3, 3, 2, 2],
      [2, 3],
    ],
  ])('shape %j with neurons on axis %j', async (shape, neuronAxis) => {
    await useBackend(backend);
    const w = numbersVariable(shape, 1);
    const groups = [{ match: w.name, neuronAxis }];
    for (const optimizer of [
      new RotationalAdamW({ learningRate: 0.01, executor: 'ops', groups }),
      new LionAR({ learningRate: 0.01, rotation: 0.1, executor: 'ops', groups }),
    ]) {
      await useBackend(backend);
      step(optimizer, [w]);
      expect(await shapeOfData(w)).toEqual(shape);
      optimizer.dispose();
    }
    w.dispose();
  });
});

test('a scalar', async () => {
  await useBackend('wasm');
  const w = numbersVariable([], 1);
  const optimizer = new AdamW({ learningRate: 0.01, executor: 'ops' });
  step(optimizer, [w]);
  expect(await shapeOfData(w)).toEqual([]);
  optimizer.dispose();
  w.dispose();
});

function makeModel(kind: string): tf.Sequential {
  const kernelInitializer = (seed: number) => tf.initializers.glorotNormal({ seed });
  if (kind === 'dense')
    return tf.sequential({
      layers: [
        tf.layers.dense({
          units: 5,
          inputShape: [4],
          activation: 'relu',
          kernelInitializer: kernelInitializer(1),
        }),
        tf.layers.dense({ units: 2, kernelInitializer: kernelInitializer(2) }),
      ],
    });
  const settings = { kernelSize: 3, inputShape: [5, 5, 2], activation: 'relu' as const };
  return tf.sequential({
    layers: [
      kind === 'conv2d'
        ? tf.layers.conv2d({ ...settings, filters: 3, kernelInitializer: kernelInitializer(1) })
        : tf.layers.depthwiseConv2d({ ...settings, depthwiseInitializer: kernelInitializer(1) }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 2, kernelInitializer: kernelInitializer(2) }),
    ],
  });
}

test.each(['dense', 'conv2d', 'depthwiseConv2d'])(
  'layers: %s, trained by operations on cpu, predicts on wasm as on cpu',
  async (kind) => {
    await useBackend('cpu');
    const model = makeModel(kind);
    const optimizer = new AdamW({ learningRate: 0.01, executor: 'ops' });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const shape = [8, ...model.inputs[0].shape.slice(1)] as number[];
    const [x, y] = [numbersTensor(shape, 3), numbersTensor([8, 2], 4)];
    await model.fit(x, y, { epochs: 2, verbose: 0 });
    const predict = (): Float32Array =>
      tf.tidy(() => (model.predict(x) as tf.Tensor).dataSync<'float32'>().slice());
    const onCPU = predict();
    await useBackend('wasm');
    predict().forEach((value, i) => expect(value).toBeCloseTo(onCPU[i], 5));
    model.dispose();
    optimizer.dispose();
    tf.dispose([x, y]);
  },
);

test('fit on wasm where WebAssembly has no SIMD', async () => {
  await useBackend('wasm');
  vi.spyOn(console, 'warn').mockReturnValue();
  vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
  const model = makeModel('dense');
  const optimizer = new AdamW({ learningRate: 0.01 });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  const [x, y] = [numbersTensor([8, 4], 3), numbersTensor([8, 2], 4)];
  const { history } = await model.fit(x, y, { epochs: 3, verbose: 0 });
  expect(optimizer.executorName).toBe('ops');
  expect(history.loss[2]).toBeLessThan(history.loss[0] as number);
  model.dispose();
  optimizer.dispose();
  tf.dispose([x, y]);
});
