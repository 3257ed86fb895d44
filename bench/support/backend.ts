// First of all imports: it registers the gradients on the copy of tfjs-core that every other file
// imports.
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';

const load = {
  wasm: () => import('@tensorflow/tfjs-backend-wasm'),
  cpu: () => import('@tensorflow/tfjs-backend-cpu'),
  webgpu: async () => (await import('./webgpu.js')).startWebGPU(),
};

export type BackendName = keyof typeof load;
export const backendNames = Object.keys(load) as BackendName[];

export async function useBackend(name: BackendName): Promise<void> {
  await load[name]();
  if (!(await tf.setBackend(name)))
    throw new Error(`study: the ${name} backend does not start on this machine`);
  await tf.ready();
}

/**
 * Lets the process end: a GPU would keep it alive. Throws if the GPU has reported an error that
 * nothing caught.
 */
export async function stopBackend(name: BackendName): Promise<void> {
  if (name !== 'webgpu') return;
  const { stopWebGPU, throwIfErrors } = await import('./webgpu.js');
  await throwIfErrors().finally(stopWebGPU);
}
