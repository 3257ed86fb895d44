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
  Variable,
  where,
  zerosLike,
  type Scalar,
  type Tensor,
} from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import { kindOf } from './kind-of.js';
import { differentiable, gradients, savesUnrecorded } from './tape.js';

/** How a Hessian is multiplied with a vector. */
export type HessianMethod = 'doubleBackprop' | 'finiteDifference';

/**
 * The loss as a function of variables that it reads: the same number whenever it is asked with the
 * same weights.
 */
export type Loss = () => Scalar;

export function checkLoss(label: string, loss: unknown, variables: unknown, method: unknown): void {
  check(typeof loss === 'function', label, 'loss', 'be a function that gives a scalar', loss);
  check(
    Array.isArray(variables) && variables.length > 0,
    label,
    'variables',
    'be an array of at least one tf.Variable',
    variables,
  );
  (variables as readonly unknown[]).forEach((variable, i) => {
    check(
      variable instanceof Variable,
      label,
      `variables[${i}]`,
      'be a tf.Variable',
      kindOf(variable),
    );
    check(!variable.isDisposed, label, `variables[${i}]`, 'not be disposed', variable.name);
    check(
      variable.dtype === 'float32',
      `${label}: variable ${show(variable.name)}`,
      'dtype',
      "be 'float32'",
      variable.dtype,
    );
    check(
      (variables as readonly unknown[]).indexOf(variable) === i,
      label,
      `variables[${i}]`,
      'differ from those before it',
      variable.name,
    );
  });
  check(
    method === 'doubleBackprop' || method === 'finiteDifference',
    label,
    'method',
    "be 'doubleBackprop' or 'finiteDifference'",
    method,
  );
}

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
 * @param loss gives the loss, a scalar.
 * @param variables what it is a function of.
 * @param vectors one tensor of its shape for each variable.
 * @param method 'doubleBackprop' or 'finiteDifference'. Default 'doubleBackprop'.
 * @returns a tensor for each variable, to be disposed by the caller.
 * @throws for an operation that tfjs cannot differentiate once, or twice (by name), and for
 * arguments that do not fit.
 * @see Pearlmutter, Fast exact multiplication by the Hessian (Neural Computation 6, 1994), section
 * 3.
 * @example
 * const w = tf.variable(tf.tensor1d([1, 2]));
 * const loss = () => tf.mul(0.5, tf.sum(tf.mul(tf.tensor1d([3, 5]), tf.square(w))));
 * const [product] = hessianVectorProduct(loss, [w], [tf.tensor1d([1, 1])]);
 * product.print();                 // [3, 5]
 */
export function hessianVectorProduct(
  loss: Loss,
  variables: readonly Variable[],
  vectors: readonly Tensor[],
  method: HessianMethod = 'doubleBackprop',
): Tensor[] {
  const label = 'hessianVectorProduct';
  checkLoss(label, loss, variables, method);
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
  return multiplyByHessian(label, loss, variables, vectors, method);
}

/**
 * {@link hessianVectorProduct} for arguments that were checked, with errors in the name of `label`.
 */
export const multiplyByHessian = (
  label: string,
  loss: Loss,
  variables: readonly Variable[],
  vectors: readonly Tensor[],
  method: HessianMethod,
): Tensor[] =>
  method === 'doubleBackprop'
    ? doubleBackprop(label, loss, variables, vectors)
    : finiteDifference(label, loss, variables, vectors);

/** The gradient, with zeros for variables on which the loss does not depend. */
export function gradientsOf(label: string, loss: Loss, variables: readonly Variable[]): Tensor[] {
  return tidy(() => {
    const found = differentiable(() => firstGradients(label, loss, variables));
    return variables.map((variable, i) => found[i] ?? zerosLike(variable));
  });
}

/**
 * With `undefined` for variables on which the loss does not depend: on a tape, zeros would pass for
 * a result of theirs.
 */
function firstGradients(
  label: string,
  loss: Loss,
  variables: readonly Variable[],
): (Tensor | undefined)[] {
  const scalarLoss = (): Scalar => {
    const value = loss();
    check(value?.rank === 0, label, 'loss', 'give a scalar', value?.shape);
    return value;
  };
  return explained(
    (operation) =>
      `${label}: the loss has no gradient, since tfjs has no derivative of ${operation}`,
    (operation) =>
      `${label}: the ${engine().backendName} backend cannot compute ${operation}, which the loss or its gradient uses; choose another backend`,
    () => gradients(scalarLoss, variables),
  );
}

function doubleBackprop(
  label: string,
  loss: Loss,
  variables: readonly Variable[],
  vectors: readonly Tensor[],
): Tensor[] {
  const option =
    "ask for { method: 'finiteDifference' }, which needs first derivatives only, or write the loss without it";
  const slope = (): Tensor => {
    const parts = firstGradients(label, loss, variables).flatMap((gradient, i) =>
      gradient ? [sum(mul(gradient, vectors[i]))] : [],
    );
    if (parts.length === 0)
      throw new Error(
        `${label}: the loss depends on none of the variables ${variables.map(({ name }) => show(name)).join(', ')}`,
      );
    if (savesUnrecorded()) {
      throw new Error(
        `${label}: a custom gradient in the loss saves a value that it computed, through which there is no second derivative; call tf.customGrad within the loss, or ${option}`,
      );
    }
    return addN(parts);
  };
  return tidy(() => {
    const products = explained(
      (operation) =>
        `${label}: tfjs has no derivative of ${operation}, which the gradient of the loss uses, so there is no second derivative; ${option}`,
      (operation) =>
        `${label}: the ${engine().backendName} backend cannot compute ${operation}, which the second derivative of the loss uses; choose another backend, or ${option}`,
      () => differentiable(() => gradients(slope, variables)),
    );
    return variables.map((variable, i) => products[i] ?? zerosLike(variable));
  });
}

function finiteDifference(
  label: string,
  loss: Loss,
  variables: readonly Variable[],
  vectors: readonly Tensor[],
): Tensor[] {
  return tidy(() => {
    const [weightNorm, vectorNorm] = [variables, vectors].map((tensors) =>
      norm(stack(tensors.map((x) => norm(x)))),
    );
    // Weights of zero give no scale, a vector of zero no direction.
    const h = divNoNan(mul(1e-3, where(greater(weightNorm, 0), weightNorm, 1)), vectorNorm);
    const originals = variables.map((variable) => variable.clone());
    const gradientsAt = (distance: Tensor): Tensor[] => {
      variables.forEach((variable, i) =>
        variable.assign(add(originals[i], mul(distance, vectors[i])) as Variable),
      );
      return gradientsOf(label, loss, variables);
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

/**
 * Puts what can be done in place of tfjs's own error, where that says which operation has no
 * derivative or no kernel.
 */
function explained<T>(
  noDerivative: (operation: string) => string,
  noKernel: (operation: string) => string,
  f: () => T,
): T {
  try {
    return f();
  } catch (error) {
    const text = error instanceof Error ? error.message : '';
    const [, derivative] = /gradient function not found for (\w+)/.exec(text) ?? [];
    const [, kernel] = /Kernel '(\w+)' not registered for backend/.exec(text) ?? [];
    if (derivative) throw new Error(noDerivative(derivative), { cause: error });
    if (kernel) throw new Error(noKernel(kernel), { cause: error });
    throw error;
  }
}
