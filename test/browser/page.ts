/**
 * The script of the test page. A check is a function here that returns plain JSON; the test calls
 * it by its name and judges the result. What nothing catches, GPU errors included, fails the test
 * by itself.
 */
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import '@tensorflow/tfjs-backend-webgpu';
import { AdamW } from '../../src/optimizers/index.js';
import { clipped, weightsAfter } from '../support/not-finite';
import { trainCase, type Outcome } from './optimizer-steps';
import { train, type Trained } from './steps';

setWasmPaths('/wasm/');

async function use(name: string): Promise<void> {
  if (!(await tf.setBackend(name)) || tf.getBackend() !== name)
    throw new Error(`the ${name} backend does not start on this page`);
}

const watched = new WeakSet<GPUDevice>();

/**
 * Errors outside an error scope drop a whole submit without an exception; here they become uncaught
 * errors of the page.
 */
async function useWebGPU(): Promise<GPUDevice> {
  await use('webgpu');
  const { device } = tf.backend() as WebGPUBackend;
  if (!watched.has(device))
    device.addEventListener('uncapturederror', ({ error }) =>
      reportError(new Error(`GPU: ${error.message}`)),
    );
  watched.add(device);
  return device;
}

function configAfterStep(optimizer: AdamW): tf.serialization.ConfigDict {
  const w = tf.variable(tf.ones([3]));
  optimizer.minimize(() => tf.sum(w), false, [w]);
  w.dispose();
  return optimizer.getConfig();
}

export const checks = {
  environment: () => ({ crossOriginIsolated, webgpu: navigator.gpu !== undefined }),

  async train(backend: 'wasm' | 'cpu' | 'webgl'): Promise<Trained> {
    await use(backend);
    return train();
  },

  async webgpu(): Promise<{ backend: string; architecture: string; product: number[] }> {
    const device = await useWebGPU();
    const product = tf.matMul(
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    );
    const values = [...(await product.data())];
    product.dispose();
    return {
      backend: tf.getBackend(),
      architecture: device.adapterInfo.architecture,
      product: values,
    };
  },

  async trainOnWebGPU(): Promise<Trained> {
    await useWebGPU();
    return train();
  },

  /** Makes webgl keep half floats, on a page where it has not started yet. */
  halfFloats(): void {
    tf.env().set('WEBGL_FORCE_F16_TEXTURES', true);
  },

  /** Steps on some backends, of each of some cases of test/support/optimizers.ts. */
  async trainCases(
    names: readonly string[],
    backends: readonly string[],
    options?: Parameters<typeof trainCase>[2],
  ): Promise<Record<string, Outcome>> {
    const outcomes: Record<string, Outcome> = {};
    for (const name of names) outcomes[name] = await trainCase(name, backends, options);
    return outcomes;
  },

  /** The configs of two optimizers with the default epsilon, and one with its own, after a step. */
  async configs(backend: string): Promise<tf.serialization.ConfigDict[]> {
    await use(backend);
    const rates = { learningRate: 0.01 };
    return [
      new AdamW(rates),
      new AdamW({ ...rates, beta2: 0.99 }),
      new AdamW({ ...rates, epsilon: 1e-3 }),
    ].map(configAfterStep);
  },

  /** The epsilon of optimizers that are made of such configs, after a step. */
  async usedEpsilons(
    backend: string,
    configs: readonly tf.serialization.ConfigDict[],
  ): Promise<unknown[]> {
    await use(backend);
    return configs.map((config) => {
      const optimizer = AdamW.fromConfig<AdamW>(AdamW, config);
      configAfterStep(optimizer);
      return optimizer.hyperparameters.epsilon;
    });
  },

  async weightsAfter(backend: string, name: string, wrong: number): Promise<number[]> {
    await use(backend);
    return weightsAfter(name, wrong);
  },

  async clipped(
    backend: string,
    gradients: Parameters<typeof clipped>[0],
  ): ReturnType<typeof clipped> {
    await use(backend);
    return clipped(gradients);
  },

  async brokenShader(): Promise<void> {
    const device = await useWebGPU();
    device.createShaderModule({ code: 'no shader' });
  },
};

export type Checks = typeof checks;

/**
 * Runs a check and waits until the GPU has done its work, so that an error belongs to the check
 * that caused it.
 */
async function run(name: keyof Checks, ...args: unknown[]): Promise<unknown> {
  const result = await (checks[name] as (...args: unknown[]) => unknown)(...args);
  if (tf.getBackend() === 'webgpu') {
    const backend = tf.backend() as WebGPUBackend;
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    await backend.queue.onSubmittedWorkDone();
  }
  return result;
}

Object.assign(globalThis, { run });
