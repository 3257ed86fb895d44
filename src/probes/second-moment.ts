/** The preconditioner of Adam's next step, from an optimizer's state. */
import type { Variable } from '@tensorflow/tfjs-core';
import type { FusedOptimizer } from '../optimizers/optimizer.js';
import { biasCorrection } from '../rules/bias-correction.js';
import { flatten, sizeOf } from './flat.js';
import { gradientsOf, type Loss } from './hessian-vector-product.js';
import { norm } from './power-iteration.js';

type Options = {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly clipNorm?: number;
  readonly initialScale?: number;
  readonly initialization?: 'gradient' | 'firstNonZeroGradient' | 'random';
};

/**
 * P = (1 - beta1^t) (sqrt(v_t / (1 - beta2^t)) + epsilon) of the step that comes next, one number
 * for each weight: v_t has
 * the present gradient in it, and t is the number of that step, from 1.
 */
export async function nextPreconditioner(
  label: string,
  optimizer: FusedOptimizer,
  loss: Loss,
  variables: readonly Variable[],
): Promise<Float64Array> {
  // The options are protected only against users.
  const options = optimizer['options'] as unknown as Options;
  if (![options.beta1, options.beta2, options.epsilon].every(Number.isFinite)) {
    const { className } = optimizer.constructor as { className?: string };
    throw new Error(
      `${label}: ${className ?? 'this optimizer'} keeps no second moment of the gradient as Adam does; use sharpness(), whose threshold fits an optimizer without one`,
    );
  }
  const gradient = await flatten(gradientsOf(label, loss, variables));
  const scale = clipCoefficient(gradient, options.clipNorm);
  const states = await statesOf(optimizer, variables);
  const preconditioner = new Float64Array(sizeOf(variables));
  let offset = 0;
  variables.forEach(({ name, size }, i) => {
    const { count, v } = states[i];
    if (count === 0 && options.initialization === 'random') {
      throw new Error(
        `${label}: variable '${name}' has had no step yet, and its second moment starts at random numbers; measure after the first step`,
      );
    }
    const t = count + 1;
    const [first, second] = [biasCorrection(options.beta1, t), biasCorrection(options.beta2, t)];
    for (let k = 0; k < size; k++) {
      const square = (scale * gradient[offset + k]) ** 2;
      const before = startsAtGradient(options, count, v?.[k] ?? 0)
        ? options.initialScale! * square
        : (v?.[k] ?? 0);
      const next = options.beta2 * before + (1 - options.beta2) * square;
      preconditioner[offset + k] = first * (Math.sqrt(next / second) + options.epsilon);
    }
    offset += size;
  });
  const zero = preconditioner.indexOf(0);
  if (zero >= 0)
    throw new Error(
      `${label}: the preconditioner is 0 at weight ${zero} of the variables, which has no gradient; give the optimizer an epsilon above 0`,
    );
  return preconditioner;
}

/** True where GI-Adam's second moment begins with this very gradient. */
const startsAtGradient = (
  { initialScale, initialization }: Options,
  count: number,
  v: number,
): boolean =>
  initialScale !== undefined && (initialization === 'firstNonZeroGradient' ? v === 0 : count === 0);

function clipCoefficient(gradient: Float32Array, clipNorm: number | undefined): number {
  const length = norm(gradient);
  return clipNorm === undefined || length <= clipNorm ? 1 : clipNorm / length;
}

/** The updates that each variable has had, and its second moment, if there is one yet. */
async function statesOf(
  optimizer: FusedOptimizer,
  variables: readonly Variable[],
): Promise<{ count: number; v?: ArrayLike<number> }[]> {
  const weights = await optimizer.getWeights();
  try {
    const named = new Map(weights.map(({ name, tensor }) => [name, tensor]));
    return await Promise.all(
      variables.map(async ({ name }) => {
        const [count, v] = [named.get(`${name}/count`), named.get(`${name}/v`)];
        return { count: count ? (await count.data())[0] : 0, v: await v?.data() };
      }),
    );
  } finally {
    for (const { tensor } of weights) tensor.dispose();
  }
}
