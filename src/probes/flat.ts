/** Variables as one vector of numbers on the host, one after the other. */
import { keep, tensor, type Tensor } from '@tensorflow/tfjs-core';

export const sizeOf = (tensors: readonly Tensor[]): number =>
  tensors.reduce((sum, { size }) => sum + size, 0);

/** All numbers of the tensors, which are disposed. */
export async function flatten(tensors: readonly Tensor[]): Promise<Float32Array> {
  try {
    const flat = new Float32Array(sizeOf(tensors));
    let offset = 0;
    for (const values of await Promise.all(tensors.map((tensor) => tensor.data()))) {
      flat.set(values, offset);
      offset += values.length;
    }
    return flat;
  } finally {
    for (const tensor of tensors) tensor.dispose();
  }
}

/** Tensors in the shapes of `like`, to be disposed by the caller. */
export function unflatten(flat: Float32Array, like: readonly Tensor[]): Tensor[] {
  let offset = 0;
  return like.map(({ shape, size }) => {
    offset += size;
    return keep(tensor(flat.slice(offset - size, offset), shape, 'float32'));
  });
}
