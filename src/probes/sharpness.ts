/** Sharpness: the largest eigenvalue of the Hessian of a loss. */
import { tidy, type Variable } from '@tensorflow/tfjs-core';
import { checkNames } from '../check.js';
import { flatten, sizeOf, unflatten } from './flat.js';
import {
  checkLoss,
  multiplyByHessian,
  type HessianMethod,
  type Loss,
} from './hessian-vector-product.js';
import {
  checkEigenvalueOptions,
  eigenvalueOptionNames,
  largestEigenvalue,
  type Eigenvalue,
  type EigenvalueOptions,
} from './power-iteration.js';

/** Options of {@link sharpness} and of `preconditionedSharpness`. */
export type SharpnessOptions = EigenvalueOptions & {
  /**
   * 'doubleBackprop', or 'finiteDifference' where an operation has no second derivative. Default
   * 'doubleBackprop'.
   */
  readonly method?: HessianMethod;
};

/**
 * What {@link sharpness} found; `vector` has the numbers of all variables, one variable after the
 * other.
 */
export type Sharpness = Eigenvalue;

/**
 * The sharpness of a loss: the largest (most positive) eigenvalue of its Hessian with respect to
 * the variables, in units of the loss by squared units of the weights.
 *
 * lambda = max over |x| = 1 of x . H x, by the Lanczos method on Hessian-vector products. Gradient
 * descent at rate eta
 * is unstable in the direction of its vector where lambda > 2 / eta: `distanceToInstability`
 * compares them.
 *
 * Measure it on a fixed batch, the same each time, with the weights at rest: do not train while it
 * runs. While training goes on, hand over the last vector: `start: last.vector` saves about half of
 * the products. The loss must give the same number for the same weights: no dropout, no running
 * means that move.
 *
 * @param loss gives the loss, a scalar.
 * @param variables what it is a function of.
 * @param options `tolerance` (default 1e-4), `maxIterations` (200), `start`, `seed` (0), `method`
 * ('doubleBackprop').
 * @returns the value, the products that it took, whether it converged, and the eigenvector, a plain
 * array.
 * @throws for an operation without a second derivative (by name; `method: 'finiteDifference'` may
 * do then), where the
 * loss or a product is not finite, for a loss that depends on none of the variables, and for
 * options that are unknown
 *   or out of range.
 * @see Kalra and Barkeshli, Why warmup the learning rate? (arXiv 2406.09405), sections 3 and D.4
 * (by LOBPCG there);
 * Cohen et al., Gradient descent on neural networks typically occurs at the edge of stability
 * (arXiv 2103.00065).
 * @example
 * const w = tf.variable(tf.tensor1d([1, 2]));
 * const loss = () => tf.mul(0.5, tf.sum(tf.mul(tf.tensor1d([3, 5]), tf.square(w))));
 * const { value, vector } = await sharpness(loss, [w]);   // 5
 * const later = await sharpness(loss, [w], { start: vector });
 */
export async function sharpness(
  loss: Loss,
  variables: readonly Variable[],
  options: SharpnessOptions = {},
): Promise<Sharpness> {
  const label = 'sharpness';
  checkSharpnessArguments(label, loss, variables, options);
  return hessianEigenvalue(label, loss, variables, options);
}

export function checkSharpnessArguments(
  label: string,
  loss: unknown,
  variables: readonly Variable[],
  options: SharpnessOptions,
): void {
  checkNames(label, options, [...eigenvalueOptionNames, 'method']);
  checkLoss(label, loss, variables, options.method ?? 'doubleBackprop');
  checkEigenvalueOptions(label, options, sizeOf(variables));
}

/** The largest eigenvalue of S H S, S a diagonal matrix; of H where none is given. */
export function hessianEigenvalue(
  label: string,
  loss: Loss,
  variables: readonly Variable[],
  { method = 'doubleBackprop', ...options }: SharpnessOptions,
  scales?: Float64Array,
): Promise<Sharpness> {
  const scaled = (x: Float32Array): Float32Array =>
    scales ? x.map((value, i) => value * scales[i]) : x;
  const multiply = async (x: Float32Array): Promise<Float32Array> => {
    const vectors = unflatten(scaled(x), variables);
    let products;
    try {
      products = multiplyByHessian(label, loss, variables, vectors, method);
    } finally {
      for (const vector of vectors) vector.dispose();
    }
    const product = await flatten(products);
    if (!product.every(Number.isFinite)) await throwNotFinite(label, loss);
    return scaled(product);
  };
  return largestEigenvalue(label, multiply, sizeOf(variables), options);
}

async function throwNotFinite(label: string, loss: Loss): Promise<never> {
  const [value] = await flatten([tidy(() => loss())]);
  throw new Error(
    Number.isFinite(value)
      ? `${label}: the second derivative of the loss is not finite at these weights, though the loss is ${value}`
      : `${label}: the loss must be finite, got ${value}; the weights have diverged, or the batch has a number that is not finite`,
  );
}
