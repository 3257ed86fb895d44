/**
 * A WebAssembly memory of the optimizer's own, for backends whose data are JavaScript arrays:
 * weights and gradients are copied in, new weights are copied out.
 */
import { tensor, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import type { WasmHeap } from './wasm-heap.js';

const pageBytes = 65536;

/** Room for the data of one tensor at a time. */
type Block = { address: number; bytes: number };

export class PrivateHeap implements WasmHeap {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  readonly shared = false;
  readonly #weights: Block = { address: 0, bytes: 0 };
  readonly #gradient: Block = { address: 0, bytes: 0 };
  /** The first free address; address 0 is never handed out. */
  #end = 16;

  allocate(bytes: number): number {
    const address = this.#end;
    this.#end += Math.ceil(bytes / 16) * 16;
    const missing = Math.ceil((this.#end - this.memory.buffer.byteLength) / pageBytes);
    if (missing > 0) this.memory.grow(missing);
    return address;
  }

  /** Slots live as long as the memory: they are freed with it. */
  release(): void {}

  writeAddress(variable: Variable): number {
    return this.#copyIn(variable, this.#weights);
  }

  commit(variable: Variable): void {
    const { buffer } = this.memory;
    const weights = new Float32Array(buffer, this.#weights.address, variable.size).slice();
    const updated = tensor(weights, variable.shape);
    variable.assign(updated as Variable);
    updated.dispose();
  }

  readAddress(source: Tensor): number {
    return this.#copyIn(source, this.#gradient);
  }

  #copyIn(source: Tensor, block: Block): number {
    const data = source.dataSync<'float32'>();
    if (data.byteLength > block.bytes) {
      block.address = this.allocate(data.byteLength);
      block.bytes = data.byteLength;
    }
    new Float32Array(this.memory.buffer, block.address, data.length).set(data);
    return block.address;
  }
}
