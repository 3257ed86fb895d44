/** What the tests of executors share. */
import * as tf from '@tensorflow/tfjs-core';

export { useBackend } from '../support/backends.js';
export { numbers } from '../support/numbers.js';
export { makersOfAnyRank as optimizers } from '../support/optimizers.js';
export { bitsOf, numbersTensor, numbersVariable, stateOf, stepWith } from '../support/tensors.js';

/** The members of the wasm backend that tests look at. */
type Wasm = {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
};

export const wasmModule = (): Wasm => (tf.backend() as unknown as { wasm: Wasm }).wasm;

/** The blocks of the wasm heap that are allocated while `body` runs and not freed by its end. */
export function blocksLeft(body: () => void): number {
  const wasm = wasmModule();
  const { _malloc, _free } = wasm;
  const live = new Set<number>();
  Object.assign(wasm, {
    _malloc(bytes: number): number {
      const address = _malloc(bytes);
      live.add(address >>> 0);
      return address;
    },
    _free(address: number): void {
      live.delete(address >>> 0);
      _free(address);
    },
  });
  try {
    body();
  } finally {
    Object.assign(wasm, { _malloc, _free });
  }
  return live.size;
}
