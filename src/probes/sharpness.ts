/** Sharpness: the largest eigenvalue of the Hessian of a loss. */
import { tidy, type Variable } from '@tensorflow/tfjs-core';
import { parseOptions } from '../schema.js';
import { flatten, sizeOf, unflatten } from './flat.js';
import { methodOption, multiplyByHessian, type HessianMethod } from './hessian-vector-product.js';
import { checkObjective, type Loss, type Objective } from './loss.js';
import {
  largestEigenvalue,
  searchSchema,
  startOption,
  type Eigenvalue,
  type EigenvalueOptions,
  type SearchSettings,
} from './power-iteration.js';

/** Options of {@link sharpness} and of `preconditionedSharpness`. */
export type SharpnessOptions = EigenvalueOptions & {
  /**
   * How the Hessian is multiplied with a vector: 'finiteDifference' is for operations without a
   * second derivative.
   *
   * @defaultValue 'doubleBackprop'
   */
  readonly method?: HessianMethod;
};

/**
 * What {@link sharpness} found; `vector` has the numbers of all variables, one variable after the
 * other.
 */
export type Sharpness = Eigenvalue;

type SharpnessSettings = SearchSettings & { readonly method: HessianMethod };

/**
 * The sharpness of a loss: the largest (most positive) eigenvalue of its Hessian with respect to
 * the variables, in units of the loss by squared units of the weights.
 *
 * lambda = max over |x| = 1 of x . H x, by the Lanczos method on Hessian-vector products. Gradient
 * descent at rate eta is unstable in the direction of its vector where lambda > 2 / eta:
 * `distanceToInstability` compares them.
 *
 * Measure it on a fixed batch, the same each time, with the weights at rest: do not train while it
 * runs. While training goes on, hand over the last vector: `start: last.vector` saves about half of
 * the products. The loss must give the same number for the same weights: no dropout, no running
 * means that move.
 *
 * @param loss - Gives the loss, a scalar.
 * @param variables - What it is a function of.
 * @param options - How to search.
 * @returns The value, the products that it took, whether it converged, and the eigenvector, a plain
 *   array.
 * @throws {Error} if an operation has no second derivative (by name; `method: 'finiteDifference'`
 *   may do then), the loss or a product is not finite, the loss depends on none of the variables,
 *   or an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/2406.09405 | Kalra and Barkeshli, Why warmup the learning
 *   rate?, sections 3 and D.4}, by LOBPCG there
 * @see {@link https://arxiv.org/abs/2103.00065 | Cohen et al., Gradient descent on neural networks
 *   typically occurs at the edge of stability}
 * @example
 * const w = tf.variable(tf.tensor1d([1, 2]));
 * const loss = () => tf.mul(0.5, tf.sum(tf.mul(tf.tensor1d([3, 5]), tf.square(w))));
 * const { value, vector } = await sharpness(loss, [w]);
 * value.toFixed(4); // '5.0000'
 * const later = await sharpness(loss, [w], { start: vector });
 * later.converged; // true
 */
export async function sharpness(
  loss: Loss,
  variables: readonly Variable[],
  options: SharpnessOptions = {},
): Promise<Sharpness> {
  const objective = { label: 'sharpness', loss, variables };
  return hessianEigenvalue(objective, parseSharpnessOptions(objective, options));
}

/** The options with their defaults; throws if they or the objective are not allowed. */
export function parseSharpnessOptions(
  objective: Objective,
  options: SharpnessOptions,
): SharpnessSettings {
  checkObjective(objective);
  const { tolerance, maxIterations, seed } = searchSchema;
  const start = startOption(sizeOf(objective.variables));
  const schema = { tolerance, maxIterations, start, seed, method: methodOption };
  return parseOptions(objective.label, schema, options) as SharpnessSettings;
}

/** The largest eigenvalue of S H S, S a diagonal matrix; of H where none is given. */
export function hessianEigenvalue(
  objective: Objective,
  { method, ...settings }: SharpnessSettings,
  scales?: Float64Array,
): Promise<Sharpness> {
  const { label, variables } = objective;
  const scaled = (x: Float32Array): Float32Array =>
    scales ? x.map((value, i) => value * scales[i]) : x;
  const multiply = async (x: Float32Array): Promise<Float32Array> =>
    scaled(await hessianProduct(objective, scaled(x), method));
  return largestEigenvalue(label, multiply, sizeOf(variables), settings);
}

/** H x, with the numbers of all variables one after the other. */
async function hessianProduct(
  objective: Objective,
  x: Float32Array,
  method: HessianMethod,
): Promise<Float32Array> {
  const vectors = unflatten(x, objective.variables);
  let products;
  try {
    products = multiplyByHessian(objective, vectors, method);
  } finally {
    for (const vector of vectors) vector.dispose();
  }
  const product = await flatten(products);
  if (!product.every(Number.isFinite)) await throwNotFinite(objective);
  return product;
}

async function throwNotFinite({ label, loss }: Objective): Promise<never> {
  const [value] = await flatten([tidy(() => loss())]);
  throw new Error(
    Number.isFinite(value)
      ? `${label}: the second derivative of the loss is not finite at these weights, ` +
          `though the loss is ${value}`
      : `${label}: the loss must be finite, got ${value}; ` +
          'the weights have diverged, or the batch has a number that is not finite',
  );
}
