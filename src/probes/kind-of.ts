import { Tensor } from '@tensorflow/tfjs-core';

/**
 * What a value is, for an error message: a tensor would print all its numbers, and an object says
 * nothing of itself.
 */
export function kindOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const text =
    value instanceof Tensor
      ? `a tensor of shape [${value.shape}]`
      : `an object of ${value.constructor?.name ?? 'no class'}`;
  return { toString: () => text };
}
