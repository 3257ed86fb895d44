/** The memory in which WebAssembly kernels find weights and gradients, and in which slots live. */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';

export interface WasmHeap {
  readonly memory: WebAssembly.Memory;
  /** True if threads share the memory: a module has to declare that. */
  readonly shared: boolean;
  allocate(bytes: number): number;
  release(address: number): void;
  /** The address of a variable's data, which a kernel then changes in place. */
  writeAddress(variable: Variable): number;
  /** Makes what a kernel has written visible to the backend. */
  commit(variable: Variable): void;
  /** The address of data that a kernel only reads; valid until the next call. */
  readAddress(tensor: Tensor): number;
}
