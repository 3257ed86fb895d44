/** Error messages about tensors and objects. */
import { Tensor } from '@tensorflow/tfjs-core';
import { show } from './check.js';

/**
 * What a value is, for an error message: a tensor would print all its numbers, and an object
 * nothing that tells it from others.
 */
export function kindOf(value: unknown): string {
  if (value instanceof Tensor) return `a tensor of shape [${value.shape}]`;
  if (typeof value !== 'object' || value === null) return show(value);
  if (Array.isArray(value)) return `[${value.map(kindOf)}]`;
  return `an object of ${value.constructor?.name ?? 'no class'}`;
}

/** As `check`, with a message that says of a tensor or an object what {@link kindOf} does. */
export function checkKind(
  valid: boolean,
  label: string,
  option: string,
  allowed: string,
  value: unknown,
): asserts valid {
  if (!valid) throw new Error(`${label}: ${option} must ${allowed}, got ${kindOf(value)}`);
}
