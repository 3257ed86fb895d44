/** The heap of tfjs-backend-wasm itself, where weights change in place. */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import { ownData } from './own-data.js';
import type { WasmHeap } from './wasm-heap.js';

/**
 * The members of tfjs-backend-wasm that kernels need. Some are private: `BackendHeap.of` checks
 * that they are there.
 */
export type WasmBackend = {
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    readonly wasmMemory?: WebAssembly.Memory;
    readonly tfjs: {
      disposeData(id: number): void;
      registerTensor(id: number, size: number, address: number): void;
    };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  readonly dataIdMap: {
    get(dataId: object): { readonly id: number; readonly memoryOffset: number };
  };
  refCount(dataId: object): number;
};

export class BackendHeap implements WasmHeap {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly #backend: WasmBackend;

  private constructor(backend: WasmBackend, memory: WebAssembly.Memory) {
    this.#backend = backend;
    this.memory = memory;
    this.shared = Object.prototype.toString.call(memory.buffer) === '[object SharedArrayBuffer]';
  }

  /** The heap of a backend, or undefined where this build lacks a member that kernels need. */
  static of(backend: Partial<WasmBackend>): BackendHeap | undefined {
    const { wasm, dataIdMap } = backend;
    const methods = [
      backend.refCount,
      dataIdMap?.get,
      wasm?._malloc,
      wasm?._free,
      wasm?.tfjs?.disposeData,
      wasm?.tfjs?.registerTensor,
    ];
    const memory = [wasm?.asm?.memory, wasm?.wasmMemory].find(
      (candidate) => candidate && candidate.buffer === wasm?.HEAPU8?.buffer,
    );
    return memory && methods.every((method) => typeof method === 'function')
      ? new BackendHeap(backend as WasmBackend, memory)
      : undefined;
  }

  allocate(bytes: number): number {
    const address = this.#backend.wasm._malloc(Math.max(bytes, 8)) >>> 0;
    if (address === 0)
      throw new Error(`the wasm heap has no room for ${bytes} more bytes of optimizer state`);
    return address;
  }

  release(address: number): void {
    this.#backend.wasm._free(address);
  }

  writeAddress(variable: Variable): number {
    // Looking data up moves them here from another backend. Only then does this backend count the
    // tensors that share them.
    this.readAddress(variable);
    if (variable.size > 0 && this.#backend.refCount(variable.dataId) > 1) ownData(variable);
    return this.readAddress(variable);
  }

  /** XNNPACK caches packed weights by tensor id: registering the data again drops them. */
  commit({ dataId, size }: Variable): void {
    const { wasm, dataIdMap } = this.#backend;
    const { id, memoryOffset } = dataIdMap.get(dataId);
    wasm.tfjs.disposeData(id);
    wasm.tfjs.registerTensor(id, size, memoryOffset);
  }

  readAddress({ dataId }: Tensor): number {
    return this.#backend.dataIdMap.get(dataId).memoryOffset;
  }
}
