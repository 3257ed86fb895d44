/** Every optimizer on webgpu against tfjs operations on cpu, over recorded gradients. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { caseNamed, optimizerCases, type OptimizerCase } from '../support/optimizers.js';
import { describeWebGPU } from './support/vitest.js';

/** All neuron layouts, odd sizes, one element, none, and more than one workgroup's stretch. */
const shapes: Record<string, number[]> = {
  'dense/kernel': [37, 13],
  'wide/kernel': [9, 71],
  'embedding/weights': [41, 19],
  'long/embedding': [3, 263],
  'conv/kernel': [3, 3, 5, 7],
  'conv_transpose/kernel': [3, 3, 11, 6],
  'depthwise/kernel': [3, 3, 6, 2],
  'dense/bias': [13],
  scale: [],
  empty: [0, 4],
  'big/kernel': [70, 67],
};

const steps = 20;
const random = (shape: number[], seed: number) =>
  tf.randomNormal(shape, 0, 1, 'float32', seed).dataSync().slice();
let models = 0;

/** By variable, the weights at the beginning and the gradients of each step. */
type Data = {
  readonly weights: Record<string, Float32Array>;
  readonly gradients: readonly Record<string, Float32Array>[];
};

async function train(
  { make, rates }: OptimizerCase,
  backend: string,
  executor: 'ops' | undefined,
  clipNorm: number | undefined,
  data: Data,
): Promise<Record<string, Float32Array>> {
  expect(await tf.setBackend(backend)).toBe(true);
  const model = `model${models++}`;
  const variables = Object.entries(shapes).map(([name, shape]) => ({
    name,
    variable: tf.variable(tf.tensor(data.weights[name].slice(), shape), true, `${model}/${name}`),
  }));
  const optimizer = make({ ...rates, executor, clipNorm });
  expect(optimizer.executorName).toBe(executor ?? backend);
  optimizer.prepare(variables.map(({ variable }) => variable));
  for (const gradients of data.gradients) {
    const tensors = variables.map(({ name, variable }) => ({
      name: variable.name,
      tensor: tf.tensor(gradients[name].slice(), shapes[name]),
    }));
    optimizer.applyGradients(tensors);
    for (const { tensor } of tensors) tensor.dispose();
  }
  const result = Object.fromEntries(
    await Promise.all(
      variables.map(
        async ({ name, variable }) =>
          [name, (await variable.data()).slice() as Float32Array] as const,
      ),
    ),
  );
  optimizer.dispose();
  for (const { variable } of variables) variable.dispose();
  return result;
}

describeWebGPU('optimizers on webgpu', () => {
  let data: Data;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    data = {
      weights: Object.fromEntries(
        Object.entries(shapes).map(([name, shape], i) => [
          name,
          random(shape, 1 + i) as Float32Array,
        ]),
      ),
      gradients: Array.from({ length: steps }, (_, t) =>
        Object.fromEntries(
          Object.entries(shapes).map(([name, shape], i) => [
            name,
            random(shape, 1000 * (t + 1) + i) as Float32Array,
          ]),
        ),
      ),
    };
  });

  it.each([
    ...optimizerCases.map((one) => [one.name, undefined, one] as const),
    ['AdamW', 1, caseNamed('AdamW')] as const,
    ['RotationalAdamW', 1, caseNamed('RotationalAdamW')] as const,
  ])(
    '%s, clipNorm %s, agrees with tfjs operations after 20 steps',
    async (_, clipNorm, optimizer) => {
      const expected = await train(optimizer, 'cpu', 'ops', clipNorm, data);
      const first = await train(optimizer, 'webgpu', undefined, clipNorm, data);
      for (const name of Object.keys(shapes)) {
        const largest = Math.max(0, ...expected[name].map(Math.abs));
        const difference = Math.max(
          0,
          ...expected[name].map((value, i) => Math.abs(value - first[name][i])),
        );
        expect(difference, name).toBeLessThanOrEqual(2e-6 * largest);
      }
      expect(await train(optimizer, 'webgpu', undefined, clipNorm, data), 'a second run').toEqual(
        first,
      );
    },
  );
});
