/** Where wasm kernels find weights and gradients, and keep slots. */
import { tensor, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import { ownData } from './own-data.js';

export type WasmHeap = {
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
};

/**
 * The members of tfjs-backend-wasm that kernels need; private ones among them are checked by
 * `backendHeap`.
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

/**
 * The memory of the wasm backend itself, where weights change in place; undefined where it is not
 * the backend as we know it.
 */
export function backendHeap(backend: Partial<WasmBackend>): WasmHeap | undefined {
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
    ? heapOf(backend as WasmBackend, memory)
    : undefined;
}

const heapOf = (backend: WasmBackend, memory: WebAssembly.Memory): WasmHeap => {
  const { wasm, dataIdMap } = backend;
  const addressOf = ({ dataId }: Tensor): number => dataIdMap.get(dataId).memoryOffset;
  return {
    memory,
    shared: Object.prototype.toString.call(memory.buffer) === '[object SharedArrayBuffer]',
    allocate(bytes) {
      const address = wasm._malloc(Math.max(bytes, 8)) >>> 0;
      if (address === 0)
        throw new Error(`the wasm heap has no room for ${bytes} more bytes of optimizer state`);
      return address;
    },
    release: (address) => wasm._free(address),
    borrow(variable) {
      // Data that still live on another backend come here by being looked up; only then are those
      // who share them counted.
      addressOf(variable);
      if (variable.size > 0 && backend.refCount(variable.dataId) > 1) ownData(variable);
      return addressOf(variable);
    },
    /**
     * XNNPACK keeps packed copies of weights by tensor id: registering the data anew drops them.
     */
    giveBack({ dataId, size }) {
      const { id, memoryOffset } = dataIdMap.get(dataId);
      wasm.tfjs.disposeData(id);
      wasm.tfjs.registerTensor(id, size, memoryOffset);
    },
    read: addressOf,
  };
};

const pageBytes = 65536;

/**
 * A memory of our own, for backends whose data are JavaScript arrays: data are copied in, new
 * weights out.
 */
export function privateHeap(): WasmHeap {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const weight = { address: 0, bytes: 0 };
  const gradient = { address: 0, bytes: 0 };
  /** Slots live as long as the memory: nothing is given back before it goes. */
  let end = 16;
  const allocate = (bytes: number): number => {
    const address = end;
    end += Math.ceil(bytes / 16) * 16;
    const missing = Math.ceil((end - memory.buffer.byteLength) / pageBytes);
    if (missing > 0) memory.grow(missing);
    return address;
  };
  const copyIn = (source: Tensor, place: typeof weight): number => {
    const data = source.dataSync<'float32'>();
    if (data.byteLength > place.bytes)
      Object.assign(place, { address: allocate(data.byteLength), bytes: data.byteLength });
    new Float32Array(memory.buffer, place.address, data.length).set(data);
    return place.address;
  };
  return {
    memory,
    shared: false,
    allocate,
    release() {},
    borrow: (variable) => copyIn(variable, weight),
    giveBack(variable) {
      const updated = tensor(
        new Float32Array(memory.buffer, weight.address, variable.size).slice(),
        variable.shape,
      );
      variable.assign(updated as Variable);
      updated.dispose();
    },
    read: (source) => copyIn(source, gradient),
  };
}
