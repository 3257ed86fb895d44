/** What the tests of executors and optimizers share. */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs';
import {
  AdamW,
  GIAdam,
  Lion,
  SGDMomentum,
  type CommonOptions,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';

export const optimizers: Record<string, (options: CommonOptions) => FusedOptimizer> = {
  AdamW: (options) => new AdamW(options),
  GIAdam: (options) => new GIAdam(options),
  Lion: (options) => new Lion(options),
  SGDMomentum: (options) => new SGDMomentum(options),
};

export async function useBackend(name: string): Promise<void> {
  await tf.setBackend(name);
  await tf.ready();
}

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

/** Numbers in [-1, 1) that look random and are the same in every process. */
export function numbers(size: number, seed: number): Float32Array {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    values[i] = ((z ^ (z >>> 14)) >>> 0) / 2 ** 31 - 1;
  }
  return values;
}

/** A tensor of such numbers; it owns its data. */
export const numbersTensor = (shape: number[], seed: number): tf.Tensor =>
  tf.tensor(numbers(tf.util.sizeFromShape(shape), seed), shape);

let variables = 0;

/** A variable of such numbers with a name of its own. */
export function numbersVariable(
  shape: number[],
  seed: number,
  name = `variable${variables++}`,
): tf.Variable {
  return tf.tidy(() => tf.variable(numbersTensor(shape, seed), true, name));
}

/** The bits of a float32 tensor: tells -0 from 0 and knows every NaN. */
export const bitsOf = (tensor: tf.Tensor): Int32Array =>
  new Int32Array((tensor.dataSync() as Float32Array).slice().buffer);

/** Applies one gradient tensor to one variable and frees it. */
export function stepWith(optimizer: FusedOptimizer, ...updates: [tf.Variable, tf.Tensor][]): void {
  optimizer.applyGradients(updates.map(([{ name }, tensor]) => ({ name, tensor })));
  for (const [, tensor] of updates) tensor.dispose();
}

/** Saved state as plain numbers, to compare; frees the tensors. */
export async function stateOf(optimizer: FusedOptimizer): Promise<Record<string, number[]>> {
  const weights = await optimizer.getWeights();
  const state = Object.fromEntries(
    weights.map(({ name, tensor }) => [name, [...tensor.dataSync()]]),
  );
  for (const { tensor } of weights) tensor.dispose();
  return state;
}
