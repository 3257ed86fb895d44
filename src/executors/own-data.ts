import { mul, type Variable } from '@tensorflow/tfjs-core';

/**
 * Copies a variable's data, which it shares with other tensors, so that a kernel can write them in
 * place.
 */
export function ownData(variable: Variable): void {
  const copy = mul(variable, 1);
  variable.assign(copy as Variable);
  copy.dispose();
}
