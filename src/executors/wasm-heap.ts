/** Where wasm kernels find weights and gradients, and keep slots. */
import { mul, tensor, type Tensor, type Variable } from '@tensorflow/tfjs-core';

export interface WasmHeap {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  allocate(bytes: number): number;
  release(address: number): void;
  /** The address of a variable's data, which the kernel will change. */
  borrow(variable: Variable): number;
  /** Makes the change visible to the backend. */
  giveBack(variable: Variable): void;
  /** The address of data that the kernel only reads; good until the next read. */
  read(tensor: Tensor): number;
  dispose(): void;
}

type TensorData = { readonly id: number; readonly memoryOffset: number };

/** The members of tfjs-backend-wasm that kernels need; private ones among them are checked by `findBackendMemory`. */
export type WasmBackend = {
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    readonly wasmMemory?: WebAssembly.Memory;
    readonly tfjs: { disposeData(id: number): void; registerTensor(id: number, size: number, address: number): void };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  readonly dataIdMap: { get(dataId: object): TensorData };
  refCount(dataId: object): number;
};

/** The backend's memory, or undefined where this is not the wasm backend as we know it. */
export function findBackendMemory(backend: Partial<WasmBackend>): WebAssembly.Memory | undefined {
  const { wasm, dataIdMap } = backend;
  if (!wasm?.HEAPU8 || !dataIdMap || typeof backend.refCount !== 'function') return undefined;
  if (typeof wasm._malloc !== 'function' || typeof wasm._free !== 'function') return undefined;
  if (typeof wasm.tfjs?.disposeData !== 'function' || typeof wasm.tfjs.registerTensor !== 'function') return undefined;
  return [wasm.asm?.memory, wasm.wasmMemory].find((candidate) => candidate?.buffer === wasm.HEAPU8.buffer);
}

/** The memory of the wasm backend itself: weights change in place. */
export class BackendHeap implements WasmHeap {
  readonly shared: boolean;
  constructor(readonly backend: WasmBackend, readonly memory: WebAssembly.Memory) {
    this.shared = Object.prototype.toString.call(memory.buffer) === '[object SharedArrayBuffer]';
  }

  allocate(bytes: number): number {
    const address = this.backend.wasm._malloc(Math.max(bytes, 8)) >>> 0;
    if (address === 0) throw new Error(`the wasm heap has no room for ${bytes} more bytes of optimizer state`);
    return address;
  }

  release(address: number): void {
    this.backend.wasm._free(address);
  }

  borrow(variable: Variable): number {
    // Data that still live on another backend come here by being looked up; only then are those who share them counted.
    this.backend.dataIdMap.get(variable.dataId);
    if (variable.size > 0 && this.backend.refCount(variable.dataId) > 1) {
      const copy = mul(variable, 1);
      variable.assign(copy as Variable);
      copy.dispose();
    }
    return this.backend.dataIdMap.get(variable.dataId).memoryOffset;
  }

  /** XNNPACK keeps packed copies of weights by tensor id: registering the data anew drops them. */
  giveBack(variable: Variable): void {
    const { id, memoryOffset } = this.backend.dataIdMap.get(variable.dataId);
    this.backend.wasm.tfjs.disposeData(id);
    this.backend.wasm.tfjs.registerTensor(id, variable.size, memoryOffset);
  }

  read({ dataId }: Tensor): number {
    return this.backend.dataIdMap.get(dataId).memoryOffset;
  }

  dispose(): void {}
}

const pageBytes = 65536;

/** A memory of our own, for backends whose data are JavaScript arrays: data are copied in, new weights out. */
export class PrivateHeap implements WasmHeap {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  readonly shared = false;
  /** Slots live as long as the memory: nothing is given back before it goes. */
  #end = 16;
  readonly #places = { weight: { address: 0, bytes: 0 }, gradient: { address: 0, bytes: 0 } };

  allocate(bytes: number): number {
    const address = this.#end;
    this.#end += Math.ceil(bytes / 16) * 16;
    const missing = Math.ceil((this.#end - this.memory.buffer.byteLength) / pageBytes);
    if (missing > 0) this.memory.grow(missing);
    return address;
  }

  release(): void {}

  borrow(variable: Variable): number {
    return this.#copyIn(variable, 'weight');
  }

  giveBack(variable: Variable): void {
    const { address } = this.#places.weight;
    const updated = tensor(new Float32Array(this.memory.buffer, address, variable.size).slice(), variable.shape, 'float32');
    variable.assign(updated as Variable);
    updated.dispose();
  }

  read(gradient: Tensor): number {
    return this.#copyIn(gradient, 'gradient');
  }

  dispose(): void {}

  #copyIn(source: Tensor, name: 'weight' | 'gradient'): number {
    const data = source.dataSync<'float32'>();
    const place = this.#places[name];
    if (data.byteLength > place.bytes) {
      place.address = this.allocate(data.byteLength);
      place.bytes = data.byteLength;
    }
    new Float32Array(this.memory.buffer, place.address, data.length).set(data);
    return place.address;
  }
}
