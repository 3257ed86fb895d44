import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { describe, expect, test } from 'vitest';
import {
  AdamW,
  GIAdam,
  LionA,
  LionAR,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import golden from '../reference/golden.json';

type Executor = 'auto' | 'ops';
const rates = { learningRate: golden.eta, weightDecay: golden.lambda };

// The cases of golden.json, in its order.
const optimizers: ((executor: Executor) => FusedOptimizer)[] = [
  (executor) => new RotationalAdamW({ ...rates, executor }),
  (executor) =>
    new RotationalAdamW({ ...rates, beta2: 0.95, updateNormDecay: 0, zeroMean: false, executor }),
  (executor) => new RotationalSGDM({ ...rates, executor }),
  (executor) => new RotationalLion({ ...rates, executor }),
  (executor) => new LionAR({ ...rates, beta: 0.98, biasCorrection: 'inverse', executor }),
  (executor) => new GIAdam({ learningRate: golden.eta, executor }),
  (executor) => new AdamW({ learningRate: golden.eta, weightDecay: 0, executor }),
  (executor) => new LionA({ ...rates, executor }),
  (executor) => new LionA({ ...rates, beta: 0.98, biasCorrection: 'inverse', executor }),
];

describe.each([
  ['wasm', 'auto'],
  ['cpu', 'auto'],
  ['wasm', 'ops'],
] as const)('%s, executor %s', (backend, executor) => {
  test.each(golden.cases.map((expected, i) => [expected.kind, i] as const))(
    '%s (%i) follows the float64 trajectory',
    async (_, i) => {
      expect(await tf.setBackend(backend)).toBe(true);
      const variable = tf.variable(tf.tensor2d(golden.w0), true, `golden${i}${backend}${executor}`);
      const optimizer = optimizers[i](executor);
      expect(optimizer.executorName).toBe(executor === 'ops' ? 'ops' : 'wasm');
      const { init, steps } = golden.cases[i] as { init?: number[][]; steps: number[][][] };
      optimizer.prepare([variable]);
      if (init) expect(largestDifference(variable, init)).toBeLessThan(1e-6);
      for (const [t, gradient] of golden.grads.entries()) {
        const g = tf.tensor2d(gradient);
        optimizer.applyGradients({ [variable.name]: g });
        g.dispose();
        expect(largestDifference(variable, steps[t])).toBeLessThan(1e-6);
      }
      optimizer.dispose();
      variable.dispose();
    },
  );
});

function largestDifference(variable: tf.Variable, expected: number[][]): number {
  const values = variable.dataSync();
  return Math.max(...expected.flat().map((value, i) => Math.abs(value - values[i])));
}
