/**
 * WebGPU in Node, from npm packages alone: Dawn, on the software Vulkan driver that
 * @sparticuz/chromium ships. Free of vitest, so that scripts can use it too.
 *
 * TFJS_WARMUP_VULKAN=system uses the Vulkan drivers of the machine instead, to measure on a real
 * GPU.
 */
import { constants } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { unpack } from './unpack';

const usesSystemVulkan = process.env.TFJS_WARMUP_VULKAN === 'system';

/** Dawn looks for the loader by name; one that is in the process already is the one it finds. */
function loadVulkan(library: string): void {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  const RTLD_NODELETE = 0x1000;
  try {
    process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    // Node only wants modules of its own kind and says so, but the library is loaded by then and
    // stays.
    if (!String(error).includes('did not self-register')) throw error;
  }
}

/**
 * Containers often have the driver of their GPU without a loader; then the one on npm finds that
 * driver.
 */
function hasVulkanLoader(): boolean {
  try {
    loadVulkan('libvulkan.so.1');
    return true;
  } catch {
    return false;
  }
}

async function chooseDriver(): Promise<void> {
  if (process.platform !== 'linux') return;
  if (usesSystemVulkan && hasVulkanLoader()) return;
  if (process.arch !== 'x64')
    throw new Error(
      `the Vulkan driver on npm is for x64, this is ${process.arch}; TFJS_WARMUP_VULKAN=system uses the machine's own`,
    );
  const folder = await unpack('swiftshader', ['swiftshader.tar.br']);
  if (!usesSystemVulkan)
    process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = join(
      folder,
      'vk_swiftshader_icd.json',
    );
  loadVulkan(join(folder, 'libvulkan.so.1'));
}

/**
 * Zeros workgroup memory by instructions of the shader itself. Through the extension of Vulkan the
 * software driver emits a store for every element of it, and takes seven times as long to compile a
 * pipeline.
 */
const softwareFlags = [
  'disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension',
];

/** Sets `navigator.gpu` and the WebGPU globals. */
async function installDawn(): Promise<void> {
  await chooseDriver();
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  if (!globalThis.navigator)
    Object.defineProperty(globalThis, 'navigator', {
      value: {},
      configurable: true,
      writable: true,
    });
  Object.defineProperty(globalThis.navigator, 'gpu', {
    value: create(usesSystemVulkan ? [] : softwareFlags),
    configurable: true,
  });
}

const errors: string[] = [];

const lost = new WeakSet<GPUDevice>();

/**
 * Errors outside an error scope drop a whole submit without an exception: they are kept until
 * `throwIfErrors`.
 */
function watch(device: GPUDevice): GPUDevice {
  device.addEventListener('uncapturederror', (event) => {
    event.preventDefault();
    errors.push(event.error.message);
  });
  const destroy = device.destroy.bind(device);
  device.destroy = () => {
    lost.add(device);
    destroy();
  };
  void device.lost.then(({ reason, message }) => {
    lost.add(device);
    if (reason !== 'destroyed') errors.push(`the device is lost: ${message}`);
  });
  return device;
}

let backend: WebGPUBackend | undefined;
let factory: ReturnType<typeof tf.findBackendFactory> | undefined;

async function start(): Promise<GPUDevice> {
  const chosen = await tf.setBackend('webgpu');
  if (!chosen || tf.getBackend() !== 'webgpu')
    throw new Error('tfjs refuses its webgpu backend on this adapter');
  backend = tf.backend() as WebGPUBackend;
  return watch(backend.device);
}

/** The device of tfjs's webgpu backend, which is the current one from then on. */
export async function startWebGPU(): Promise<GPUDevice> {
  if (backend && tf.findBackend('webgpu') === backend) {
    await tf.setBackend('webgpu');
    return backend.device;
  }
  try {
    await installDawn();
    if (!(await navigator.gpu.requestAdapter()))
      throw new Error(
        `Dawn finds no adapter${usesSystemVulkan ? ' among the Vulkan drivers of this machine' : ''}`,
      );
    // The union registers the gradients; the backend looks at navigator.gpu while it is being
    // imported.
    await import('@tensorflow/tfjs');
    await import('@tensorflow/tfjs-backend-webgpu');
    factory ??= tf.findBackendFactory('webgpu');
    if (!tf.findBackendFactory('webgpu')) tf.registerBackend('webgpu', factory, 3);
    return await start();
  } catch (error) {
    if (globalThis.navigator) Reflect.deleteProperty(globalThis.navigator, 'gpu');
    throw new Error(
      `WebGPU does not start (TFJS_WARMUP_SKIP_WEBGPU=1 skips its tests): ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** A new backend with a new device, after the old one was lost or destroyed. */
export async function restartWebGPU(): Promise<GPUDevice> {
  if (!factory) throw new Error('restartWebGPU: startWebGPU comes first');
  tf.removeBackend('webgpu');
  tf.registerBackend('webgpu', factory, 3);
  return start();
}

/**
 * Waits for the work that was encoded so far, then throws if the device complained since the last
 * call.
 */
export async function throwIfErrors(): Promise<void> {
  // Dawn for Node may crash the process some time after a wait for the queue of a lost device.
  if (backend && tf.findBackend('webgpu') === backend && !lost.has(backend.device)) {
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    await backend.queue.onSubmittedWorkDone();
  }
  const found = takeErrors();
  if (found.length > 0)
    throw new Error(`${found.length} uncaptured GPU error(s): ${found.join('\n')}`);
}

/** What the device complained about since the last call, for tests that provoke it. */
export function takeErrors(): string[] {
  return errors.splice(0);
}

/** Lets the process end: Dawn keeps it alive for as long as `navigator.gpu` can be reached. */
export function stopWebGPU(): void {
  if (!backend) return;
  tf.removeBackend('webgpu');
  backend = undefined;
  Reflect.deleteProperty(globalThis.navigator, 'gpu');
}
