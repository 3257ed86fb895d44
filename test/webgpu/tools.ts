/** What the tests of the webgpu executor share. */
import * as tf from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { add, mul, sub } from '../../src/compiler/expression.js';
import { defineRule } from '../../src/compiler/define-rule.js';
import type { Rule } from '../../src/compiler/rule.js';
import { AdamW, RuleOptimizer, type FusedOptimizer } from '../../src/optimizers/index.js';

/**
 * w - learningRate g, and the sum of all gradients: on small whole numbers and powers of two
 * float32 makes no error.
 */
export const descent: Rule = defineRule({
  name: 'descent',
  slots: { total: 'element' },
  host: ({ learningRate }) => ({ learningRate }),
  update: ({ w, g, total }, s) => ({ w: sub(w, mul(s.learningRate, g)), total: add(total, g) }),
});

export const makeDescent = (
  learningRate: number | ((step: number) => number) = 0.5,
): RuleOptimizer => new RuleOptimizer({ rule: descent, learningRate });

export const makeAdamW = (): AdamW => new AdamW({ learningRate: 0.01 });

export const backend = (): WebGPUBackend => tf.backend() as WebGPUBackend;

/** The GPU buffer of a tensor's data. */
export const bufferOf = ({ dataId }: tf.Tensor): GPUBuffer =>
  backend().tensorMap.get(dataId).resource as GPUBuffer;

let variables = 0;

/** A variable of these values with a name of its own; its data are not shared. */
export function variableOf(
  values: readonly number[] | Float32Array,
  shape: number[] = [values.length],
  name = `variable${variables++}`,
): tf.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(Float32Array.from(values), shape), true, name));
}

/** One step; the gradients stay. */
export function step(
  optimizer: FusedOptimizer,
  ...updates: readonly (readonly [tf.Variable, tf.Tensor])[]
): void {
  optimizer.applyGradients(updates.map(([{ name }, tensor]) => ({ name, tensor })));
}

export const valuesOf = async (tensor: tf.Tensor): Promise<number[]> => [...(await tensor.data())];

/** Sends what was encoded so far to the GPU. */
export function submit(): void {
  const { ensureCommandEncoderReady, endComputePassEncoder, submitQueue } = backend();
  for (const part of [ensureCommandEncoderReady, endComputePassEncoder, submitQueue])
    part.call(backend());
}

/** Runs `body` while the device claims to have other limits; the device itself does not know. */
export async function withLimits(
  limits: Partial<Record<keyof GPUSupportedLimits, number>>,
  body: () => Promise<void>,
): Promise<void> {
  const { device } = backend();
  const { limits: real } = device;
  const own = Object.getOwnPropertyDescriptor(device, 'limits');
  // The limits are accessors of a native object: they take no other receiver.
  const claimed = new Proxy(real, {
    get: (target, name) =>
      limits[name as keyof GPUSupportedLimits] ?? (Reflect.get(target, name, target) as unknown),
  });
  Object.defineProperty(device, 'limits', { value: claimed, configurable: true });
  try {
    await body();
  } finally {
    if (own) Object.defineProperty(device, 'limits', own);
    else Reflect.deleteProperty(device, 'limits');
  }
}
