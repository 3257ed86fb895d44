/** `executor: 'ops'` on webgpu: every optimizer against the same operations on cpu. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { CommonOptions, FusedOptimizer } from '../../src/optimizers/index.js';
import { numbers } from '../support/numbers.js';
import { caseNamed, defaultCases } from '../support/optimizers.js';
import { describeWebGPU } from './support/vitest.js';
import { step, variableOf } from './tools.js';

/** Among them two whose neurons are numbered by axes that are apart. */
const shapes = {
  bias: [5],
  kernel: [67, 5],
  'conv/kernel': [3, 3, 2, 4],
  scale: [],
  empty: [0, 3],
  'outer/apart': [6, 5, 7],
  'inner/apart': [2, 3, 5, 2, 7],
};

/** The variables after three steps. */
async function train(
  make: (options: CommonOptions) => FusedOptimizer,
  backend: string,
): Promise<number[][]> {
  expect(await tf.setBackend(backend)).toBe(true);
  const sizes = Object.values(shapes).map((shape) => tf.util.sizeFromShape(shape));
  const variables = Object.entries(shapes).map(([name, shape], i) =>
    variableOf(numbers(sizes[i], i), shape, `${backend}${tf.memory().numTensors}/${name}`),
  );
  const optimizer = make({
    learningRate: 0.01,
    weightDecay: 0.1,
    executor: 'ops',
    groups: [
      { match: '*/inner/apart', neuronAxis: [1, 3] },
      { match: '*/outer/apart', neuronAxis: [0, 2] },
    ],
  });
  optimizer.prepare(variables);
  expect(optimizer.executorName).toBe('ops');
  for (let t = 1; t <= 3; t++) {
    const gradients = Object.values(shapes).map((shape, i) =>
      tf.tensor(numbers(sizes[i], 10 * t + i), shape),
    );
    step(optimizer, ...variables.map((variable, i) => [variable, gradients[i]] as const));
    tf.dispose(gradients);
  }
  const values = await Promise.all(variables.map(async (variable) => [...(await variable.data())]));
  optimizer.dispose();
  tf.dispose(variables);
  return values;
}

describeWebGPU('tfjs operations on webgpu', () => {
  it.each([
    ...defaultCases.map((one) => [one.name, undefined, one] as const),
    ['AdamW', 1, caseNamed('AdamW')] as const,
  ])('make the updates of %s, clipNorm %s', async (_, clipNorm, { make: create }) => {
    const make = (options: CommonOptions): FusedOptimizer => create({ ...options, clipNorm });
    const expected = await train(make, 'cpu');
    const found = await train(make, 'webgpu');
    for (const [i, values] of expected.entries()) {
      const bound = 1e-6 * Math.max(0, ...values.map(Math.abs));
      expect(
        Math.max(0, ...values.map((value, k) => Math.abs(value - found[i][k]))),
        Object.keys(shapes)[i],
      ).toBeLessThanOrEqual(bound);
      expect(found[i].length).toBe(values.length);
    }
  });
});
