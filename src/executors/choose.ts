/** Which executor serves the current backend. */
import { backend, getBackend } from '@tensorflow/tfjs-core';
import { simdModule } from '../compiler/wasm-module.js';
import type { Executor } from './executor.js';
import { OpsExecutor } from './ops.js';
import { BackendHeap, type WasmBackend } from './wasm-backend-heap.js';
import { PrivateHeap } from './wasm-private-heap.js';
import { WasmExecutor } from './wasm.js';
import { isWebGPUBackend, WebGPUBridge } from './webgpu-bridge.js';
import { WebGPUExecutor } from './webgpu.js';

/** What an optimizer may ask for: the fastest for the backend, or tfjs operations. */
export type ExecutorChoice = 'auto' | 'ops';

const warned = new Set<string>();

/** The executor of tfjs operations; warns once for each reason. */
function fallBack(reason: string): Executor {
  if (!warned.has(reason))
    console.warn(`tfjs-warmup: no fused kernels, tfjs operations instead: ${reason}`);
  warned.add(reason);
  return new OpsExecutor();
}

/** Why WebAssembly with SIMD cannot be compiled here, or undefined if it can. */
function whyNoKernels(): string | undefined {
  if (typeof WebAssembly === 'undefined') return 'there is no WebAssembly here';
  if (!WebAssembly.validate(simdModule)) return 'WebAssembly has no SIMD here';
  try {
    void new WebAssembly.Module(simdModule);
    return undefined;
  } catch (error) {
    return (
      'WebAssembly cannot be compiled here ' +
      `(a Content-Security-Policy needs 'wasm-unsafe-eval'): ${(error as Error).message}`
    );
  }
}

/**
 * Makes the executor for the current backend: fused kernels on webgpu, wasm and cpu, tfjs
 * operations elsewhere.
 */
export function chooseExecutor(choice: ExecutorChoice): Executor {
  if (choice === 'ops') return new OpsExecutor();
  const current = backend() as unknown as Partial<WasmBackend>;
  if (isWebGPUBackend(current)) return new WebGPUExecutor(new WebGPUBridge(current));
  if (getBackend() === 'webgpu')
    return fallBack('this build of the webgpu backend lacks what kernels need');
  const onWasm = current.wasm !== undefined;
  if (!onWasm && getBackend() !== 'cpu') return fallBack(`there are none for ${getBackend()}`);
  const reason = whyNoKernels();
  if (reason) return fallBack(reason);
  const heap = onWasm ? BackendHeap.of(current) : new PrivateHeap();
  return heap
    ? new WasmExecutor(heap)
    : fallBack('this build of the wasm backend does not show its memory');
}
