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

export const checks = {
  environment: () => ({ crossOriginIsolated, webgpu: navigator.gpu !== undefined }),

  async train(backend: 'wasm' | 'cpu'): Promise<Trained> {
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
