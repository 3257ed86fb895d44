/** Starts any tfjs optimizer on a backend. */
import * as tf from '@tensorflow/tfjs-core';
import type { WasmBackend } from '../../src/executors/wasm-backend-heap.js';
import { bytesOfStep, randomValues, timeSteps } from '../../src/optimizers/measure-step.js';
import type { Shape } from './cases.js';
import type { Running } from './subject.js';

const load = {
  wasm: () => import('@tensorflow/tfjs-backend-wasm'),
  cpu: () => import('@tensorflow/tfjs-backend-cpu'),
};

/** `create` is called on the backend, since tf.train.adam asks it for an epsilon. */
export async function startTfjs(
  backend: keyof typeof load,
  shapes: readonly Shape[],
  create: () => tf.Optimizer,
): Promise<Running> {
  await load[backend]();
  if (!(await tf.setBackend(backend)))
    throw new Error(`the ${backend} backend does not start here`);
  await tf.ready();
  const sizes = shapes.map((shape) => shape.reduce((size, length) => size * length, 1));
  return explained(4 * Math.max(...sizes), () => {
    const variables = shapes.map((shape, i) => {
      const values = tf.tensor(randomValues(sizes[i], -2 - i), [...shape]);
      const variable = tf.variable(values);
      // The variable alone holds its data, or the first step would copy it.
      values.dispose();
      return variable;
    });
    const optimizer = create();
    const { step } = timeSteps(optimizer, variables);
    return {
      step: () => explained(4 * Math.max(...sizes), step),
      bytes: () => bytesOfStep(optimizer, variables),
    };
  });
}

const largestHeap = 2 ** 32;

/**
 * The wasm backend fails in many ways when its heap cannot grow; in all of them one more tensor
 * would not fit.
 */
function explained<T>(largestTensor: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const heap = (tf.backend() as unknown as Partial<WasmBackend>).wasm?.HEAPU8.byteLength ?? 0;
    throw heap + largestTensor > largestHeap ? new Error('out of memory', { cause: error }) : error;
  }
}
