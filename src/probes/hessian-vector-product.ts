/** Products of a loss's Hessian with a vector, without the Hessian. */
import {
  add,
  addN,
  divNoNan,
  engine,
  greater,
  mul,
  neg,
  norm,
  stack,
  sub,
  sum,
  tidy,
  where,
  zerosLike,
  type Scalar,
  type Tensor,
  type Variable,
} from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import {
  checkObjective,
  firstGradients,
  gradientsOf,
  withReasons,
  type Loss,
  type Objective,
  type Reasons,
} from './loss.js';
import { either } from './options.js';
import { differentiable, gradients, savesUnrecorded } from './tape.js';

const methods = ['doubleBackprop', 'finiteDifference'] as const satisfies HessianMethod[];

/** How a Hessian is multiplied with a vector. */
export type HessianMethod = 'doubleBackprop' | 'finiteDifference';

export const methodOption = either(...methods);

/**
 * H v, H the Hessian of the loss with respect to the variables: a list of tensors in their shapes.
 *
 * By double backprop: H v = grad(grad(loss) . v), exact up to rounding, at the price of about four
 * gradients. By finite difference: (grad(w + h v) - grad(w - h v)) / 2h with h = 1e-3 |w| / |v|, at
 * the price of two gradients; it needs no second derivative of any operation, but it is of no use
 * for networks with ReLU: every kink between the two points counts as curvature (at width 128 the
 * product was off by four times its own length). Variables on which the loss does not depend get
 * zeros.
 *
 * The loss must give the same number for the same weights: no dropout, no new batch, no running
 * means that move.
 *
 * @param loss - Gives the loss, a scalar.
 * @param variables - What it is a function of.
 * @param vectors - One tensor of its shape for each variable.
 * @param method - 'doubleBackprop', the default, or 'finiteDifference'.
 * @returns A tensor for each variable, to be disposed by the caller.
 * @throws {Error} if tfjs cannot differentiate an operation once, or twice (by name), or the
 *   arguments do not fit.
 * @see {@link https://doi.org/10.1162/neco.1994.6.1.147 | Pearlmutter, Fast exact multiplication by
 *   the Hessian, section 3}
 * @example
 * const w = tf.variable(tf.tensor1d([1, 2]));
 * const loss = () => tf.mul(0.5, tf.sum(tf.mul(tf.tensor1d([3, 5]), tf.square(w))));
 * const [product] = hessianVectorProduct(loss, [w], [tf.tensor1d([1, 1])]);
 * await product.array(); // [3, 5]
 */
export function hessianVectorProduct(
  loss: Loss,
  variables: readonly Variable[],
  vectors: readonly Tensor[],
  method: HessianMethod = 'doubleBackprop',
): Tensor[] {
  const label = 'hessianVectorProduct';
  const objective = { label, loss, variables };
  checkObjective(objective);
  check(methodOption.accepts(method), label, 'method', methodOption.allowed, method);
  check(
    Array.isArray(vectors) && vectors.length === variables.length,
    label,
    'vectors',
    `be one tensor for each of the ${variables.length} variables`,
    vectors?.length,
  );
  vectors.forEach(({ shape }, i) =>
    check(
      shape.join() === variables[i].shape.join(),
      label,
      `the shape of vectors[${i}]`,
      `be ${show(variables[i].shape)}`,
      shape,
    ),
  );
  return multiplyByHessian(objective, vectors, method);
}

/** {@link hessianVectorProduct} for arguments that were checked. */
export const multiplyByHessian = (
  objective: Objective,
  vectors: readonly Tensor[],
  method: HessianMethod,
): Tensor[] =>
  method === 'doubleBackprop'
    ? doubleBackprop(objective, vectors)
    : finiteDifference(objective, vectors);

/** What can be done where the loss has no second derivative. */
const advice =
  "ask for { method: 'finiteDifference' }, which needs first derivatives only, " +
  'or write the loss without it';

const reasonsFor = (label: string): Reasons => ({
  noDerivative: (operation) =>
    `${label}: tfjs has no derivative of ${operation}, which the gradient of the loss uses, ` +
    `so there is no second derivative; ${advice}`,
  noKernel: (operation) =>
    `${label}: the ${engine().backendName} backend cannot compute ${operation}, ` +
    `which the second derivative of the loss uses; choose another backend, or ${advice}`,
});

/** grad(grad(loss) . v). */
function doubleBackprop(objective: Objective, vectors: readonly Tensor[]): Tensor[] {
  const { label, variables } = objective;
  const slope = (): Tensor => slopeAlong(objective, vectors);
  const slopeGradients = () => differentiable(() => gradients(slope, variables));
  return tidy(() => {
    const products = withReasons(slopeGradients, reasonsFor(label));
    return variables.map((variable, i) => products[i] ?? zerosLike(variable));
  });
}

/** grad(loss) . v, which is differentiated once more. */
function slopeAlong(objective: Objective, vectors: readonly Tensor[]): Tensor {
  const { label, variables } = objective;
  const parts: Scalar[] = [];
  firstGradients(objective).forEach((gradient, i) => {
    if (gradient) parts.push(sum(mul(gradient, vectors[i])));
  });
  if (parts.length === 0) {
    const names = variables.map(({ name }) => show(name)).join(', ');
    throw new Error(`${label}: the loss depends on none of the variables ${names}`);
  }
  if (savesUnrecorded())
    throw new Error(
      `${label}: a custom gradient in the loss saves a value that it computed, ` +
        'through which there is no second derivative; ' +
        `call tf.customGrad within the loss, or ${advice}`,
    );
  return addN(parts);
}

/** (grad(w + h v) - grad(w - h v)) / 2h. */
function finiteDifference(objective: Objective, vectors: readonly Tensor[]): Tensor[] {
  const { variables } = objective;
  return tidy(() => {
    const h = stepAlong(variables, vectors);
    const originals = variables.map((variable) => variable.clone());
    const gradientsAt = (distance: Tensor): Tensor[] => {
      move(variables, originals, vectors, distance);
      return gradientsOf(objective);
    };
    try {
      const after = gradientsAt(h);
      const before = gradientsAt(neg(h));
      return variables.map((_, i) => divNoNan(sub(after[i], before[i]), mul(2, h)));
    } finally {
      variables.forEach((variable, i) => variable.assign(originals[i] as Variable));
    }
  });
}

/** Sets each variable to w + distance v. */
function move(
  variables: readonly Variable[],
  originals: readonly Tensor[],
  vectors: readonly Tensor[],
  distance: Tensor,
): void {
  variables.forEach((variable, i) =>
    variable.assign(add(originals[i], mul(distance, vectors[i])) as Variable),
  );
}

/** h = 1e-3 |w| / |v|; weights of zero give no scale, a vector of zero no direction. */
function stepAlong(variables: readonly Tensor[], vectors: readonly Tensor[]): Tensor {
  const weightNorm = jointNorm(variables);
  const scale = where(greater(weightNorm, 0), weightNorm, 1);
  return divNoNan(mul(1e-3, scale), jointNorm(vectors));
}

const jointNorm = (tensors: readonly Tensor[]): Tensor => norm(stack(tensors.map((x) => norm(x))));
