/** Sharpness as Adam sees it. */
import { engine, type Variable } from '@tensorflow/tfjs-core';
import type { FusedOptimizer } from '../optimizers/optimizer.js';
import { checkKind } from '../kind-of.js';
import type { Loss } from './loss.js';
import { nextPreconditioner } from './second-moment.js';
import {
  hessianEigenvalue,
  parseSharpnessOptions,
  type Sharpness,
  type SharpnessOptions,
} from './sharpness.js';

const label = 'preconditionedSharpness';

/**
 * The preconditioned sharpness of a loss: the largest eigenvalue of P^-1 H, which decides whether
 * Adam's next step is stable; in units of 1 / learning rate.
 *
 * P = (1 - beta1^t) diag(sqrt(v_t / (1 - beta2^t)) + epsilon), where t is the number of the next
 * step, from 1, and v_t the second moment that it will use: beta2 v + (1 - beta2) g^2, g the
 * gradient of this very loss (clipped as the optimizer clips). So it is defined before the first
 * step too, for GIAdam with its own v. P^-1 H is not symmetric; P^-1/2 H P^-1/2 has the same
 * eigenvalues and is what is iterated on. Training is unstable above
 * (2 + 2 beta1) / ((1 - beta1) learningRate): see `distanceToInstability`. Scaling the loss does
 * not change it, epsilon aside.
 *
 * The square root of v, which Eq. 6 of Kalra and Barkeshli leaves out in print, is as in the
 * authors' code.
 *
 * @param optimizer - AdamW, GIAdam or RAdam.
 * @param loss - Gives the loss, a scalar; better of a fixed batch.
 * @param variables - What it is a function of. Default: the variables that the optimizer has
 *   updated so far.
 * @param options - As of `sharpness`; `vector` and `start` are in the coordinates of P^1/2 w.
 * @returns As of `sharpness`.
 * @throws {Error} if the optimizer has no second moment, there are no variables, or where
 *   `sharpness` throws.
 * @see {@link https://arxiv.org/abs/2406.09405 | Kalra and Barkeshli, Why warmup the learning
 *   rate?, sections 3 and 6}
 * @see {@link https://arxiv.org/abs/2207.14484 | Cohen et al., Adaptive gradient methods at the
 *   edge of stability}
 * @example
 * const optimizer = new AdamW({ learningRate: 0.01 });
 * const { value, converged } = await preconditionedSharpness(optimizer, loss, variables);
 * converged; // true
 * distanceToInstability({ sharpness: value, learningRate: 0.01, kind: 'adam' }) < 1; // true
 */
export async function preconditionedSharpness(
  optimizer: FusedOptimizer,
  loss: Loss,
  variables?: readonly Variable[],
  options: SharpnessOptions = {},
): Promise<Sharpness> {
  checkKind(
    typeof optimizer?.describe === 'function',
    label,
    'optimizer',
    'be an optimizer of this library',
    optimizer,
  );
  const objective = { label, loss, variables: variables ?? updatedVariables(optimizer) };
  const settings = parseSharpnessOptions(objective, options);
  const preconditioner = await nextPreconditioner(objective, optimizer);
  const scales = preconditioner.map((p) => 1 / Math.sqrt(p));
  return hessianEigenvalue(objective, settings, scales);
}

/** The variables that the optimizer has updated, and that still exist. */
function updatedVariables(optimizer: FusedOptimizer): Variable[] {
  const { registeredVariables } = engine();
  const variables = optimizer
    .describe()
    .map(({ name }) => registeredVariables[name])
    .filter((variable) => variable !== undefined);
  if (variables.length === 0)
    throw new Error(
      `${label}: the optimizer has had no step yet; name the variables as third argument`,
    );
  return variables;
}
