/** Sums over whole tensors, nearly as exact as in double. */
import { mul, pad, reshape, sum, tidy, type Tensor } from '@tensorflow/tfjs-core';

/**
 * Numbers that one float32 sum covers; the host adds the sums up in double. A plain sum of 1e6
 * squares is 4e-4 off.
 */
const block = 64;

/** The sum of x y, x and y of equal size, read back. */
export async function dotProduct(x: Tensor, y: Tensor): Promise<number> {
  if (x.size === 0) return 0;
  const sums = tidy(() => {
    const blocks = Math.ceil(x.size / block);
    const product = mul(reshape(x, [x.size]), reshape(y, [x.size]));
    return sum(reshape(pad(product, [[0, blocks * block - x.size]]), [blocks, block]), 1);
  });
  try {
    return (await sums.data<'float32'>()).reduce((total, value) => total + value, 0);
  } finally {
    sums.dispose();
  }
}

/** The Euclidean (Frobenius) norm, read back. */
export const normOf = async (x: Tensor): Promise<number> => Math.sqrt(await dotProduct(x, x));

/** The Euclidean norm of several tensors taken as one vector. */
export const jointNorm = async (tensors: readonly Tensor[]): Promise<number> =>
  Math.hypot(...(await Promise.all(tensors.map(normOf))));
