import { mul, type Variable } from '@tensorflow/tfjs-core';

/**
 * Gives a variable data of its own, where it shares them with other tensors: a kernel writes in
 * place.
 */
export function ownData(variable: Variable): void {
  const copy = mul(variable, 1);
  variable.assign(copy as Variable);
  copy.dispose();
}
