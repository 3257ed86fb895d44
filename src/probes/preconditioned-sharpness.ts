/** Sharpness as Adam sees it. */
import { engine, type Variable } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import type { FusedOptimizer } from '../optimizers/optimizer.js';
import type { Loss } from './hessian-vector-product.js';
import { kindOf } from './kind-of.js';
import { nextPreconditioner } from './second-moment.js';
import {
  checkSharpnessArguments,
  hessianEigenvalue,
  type Sharpness,
  type SharpnessOptions,
} from './sharpness.js';

/**
 * The preconditioned sharpness of a loss: the largest eigenvalue of P^-1 H, which decides whether
 * Adam's next step is stable; in units of 1 / learning rate.
 *
 * P = (1 - beta1^t) diag(sqrt(v_t / (1 - beta2^t)) + epsilon), where t is the number of the next
 * step, from 1, and v_t
 * the second moment that it will use: beta2 v + (1 - beta2) g^2, g the gradient of this very loss
 * (clipped as the
 * optimizer clips). So it is defined before the first step too, for GIAdam with its own v. P^-1 H
 * is not symmetric;
 * P^-1/2 H P^-1/2 has the same eigenvalues and is what is iterated on. Training is unstable above
 * (2 + 2 beta1) / ((1 - beta1) learningRate): see `distanceToInstability`. Scaling the loss does
 * not change it, epsilon
 * aside.
 *
 * @param optimizer AdamW, GIAdam or RAdam.
 * @param loss gives the loss, a scalar; better of a fixed batch.
 * @param variables what it is a function of. Default: the variables that the optimizer has updated
 * so far.
 * @param options as of `sharpness`; `vector` and `start` are in the coordinates of P^1/2 w.
 * @throws for an optimizer without a second moment, where there are no variables, and as
 * `sharpness` does.
 * @see Kalra and Barkeshli, Why warmup the learning rate? (arXiv 2406.09405), sections 3 and 6, and
 * the authors' code,
 * which has the square root of v that the printed Eq 6 leaves out; Cohen et al. (arXiv 2207.14484).
 * @example
 * const optimizer = new AdamW({ learningRate: 0.01 });
 * const { value } = await preconditionedSharpness(optimizer, loss, variables);
 * distanceToInstability({ sharpness: value, learningRate: 0.01, kind: 'adam', beta: 0.9 });
 */
export async function preconditionedSharpness(
  optimizer: FusedOptimizer,
  loss: Loss,
  variables?: readonly Variable[],
  options: SharpnessOptions = {},
): Promise<Sharpness> {
  const label = 'preconditionedSharpness';
  check(
    typeof optimizer?.describe === 'function',
    label,
    'optimizer',
    'be an optimizer of this library',
    kindOf(optimizer),
  );
  const chosen =
    variables ??
    optimizer
      .describe()
      .map(({ name }) => engine().registeredVariables[name])
      .filter((variable) => variable !== undefined);
  if (!variables && chosen.length === 0)
    throw new Error(
      `${label}: the optimizer has had no step yet; name the variables as third argument`,
    );
  checkSharpnessArguments(label, loss, chosen, options);
  const preconditioner = await nextPreconditioner(label, optimizer, loss, chosen);
  return hessianEigenvalue(
    label,
    loss,
    chosen,
    options,
    preconditioner.map((p) => 1 / Math.sqrt(p)),
  );
}
