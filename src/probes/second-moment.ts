/** The preconditioner of Adam's next step, from an optimizer's state. */
import { dispose, type Variable } from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import type { FusedOptimizer } from '../optimizers/optimizer.js';
import { adamRoles } from '../rules/adamw.js';
import { biasCorrection } from '../rules/bias-correction.js';
import { flatten, sizeOf } from './flat.js';
import { gradientsOf, type Objective } from './loss.js';
import { norm } from './power-iteration.js';

/** Hyperparameters of AdamW and its relatives. */
type AdamSettings = {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly clipNorm?: number;
  /** GI-Adam's: how its second moment begins. */
  readonly initialScale?: number;
  readonly initialization?: 'gradient' | 'firstNonZeroGradient' | 'random';
};

/** What an optimizer keeps of a variable before its next step. */
type Moment = {
  /** Updates so far. */
  readonly count: number;
  /** v, a number for each weight; undefined before the first step, where it is 0. */
  readonly secondMoment: ArrayLike<number> | undefined;
};

/**
 * P = (1 - beta1^t) (sqrt(v_t / (1 - beta2^t)) + epsilon) of the step that comes next, one number
 * for each weight: v_t has the present gradient in it, and t is the number of that step, from 1.
 */
export async function nextPreconditioner(
  objective: Objective,
  optimizer: FusedOptimizer,
): Promise<Float64Array> {
  const { label, variables } = objective;
  const settings = adamSettingsOf(label, optimizer);
  const gradient = await flatten(gradientsOf(objective));
  const scale = clipCoefficient(gradient, settings.clipNorm);
  const moments = await Promise.all(
    variables.map((variable) => momentOf(label, optimizer, variable)),
  );
  const preconditioner = new Float64Array(sizeOf(variables));
  let offset = 0;
  variables.forEach(({ name, size }, i) => {
    checkStart(label, name, moments[i], settings);
    const squares = Float64Array.from(
      gradient.subarray(offset, offset + size),
      (g) => (scale * g) ** 2,
    );
    preconditioner.set(preconditionerOf(squares, moments[i], settings), offset);
    offset += size;
  });
  checkPositive(label, preconditioner);
  return preconditioner;
}

function adamSettingsOf(label: string, optimizer: FusedOptimizer): AdamSettings {
  const settings = optimizer.hyperparameters as AdamSettings;
  if ([settings.beta1, settings.beta2, settings.epsilon].every(Number.isFinite)) return settings;
  refuse(label, optimizer);
}

function refuse(label: string, optimizer: FusedOptimizer): never {
  const { className = 'this optimizer' } = optimizer.constructor as { className?: string };
  throw new Error(
    `${label}: ${className} keeps no second moment of the gradient as Adam does; ` +
      'use sharpness(), whose threshold fits an optimizer without one',
  );
}

function clipCoefficient(gradient: Float32Array, clipNorm: number | undefined): number {
  const length = norm(gradient);
  return clipNorm === undefined || length <= clipNorm ? 1 : clipNorm / length;
}

async function momentOf(
  label: string,
  optimizer: FusedOptimizer,
  variable: Variable,
): Promise<Moment> {
  const state = optimizer.readState(variable);
  if (!state) return { count: 0, secondMoment: undefined };
  const { count, slots } = state;
  try {
    const kept = slots[adamRoles.secondMoment];
    // A relative that keeps something else would pass for one whose second moment is 0.
    if (!kept) refuse(label, optimizer);
    return { count, secondMoment: await kept.data() };
  } finally {
    dispose(slots);
  }
}

function checkStart(
  label: string,
  name: string,
  { count }: Moment,
  { initialization }: AdamSettings,
): void {
  if (count === 0 && initialization === 'random')
    throw new Error(
      `${label}: variable ${show(name)} has had no step yet, ` +
        'and its second moment starts at random numbers; measure after the first step',
    );
}

/** P of one variable, from the squares of its gradient. */
function preconditionerOf(
  squares: Float64Array,
  { count, secondMoment }: Moment,
  settings: AdamSettings,
): Float64Array {
  const { beta1, beta2, epsilon } = settings;
  const t = count + 1;
  const [first, second] = [biasCorrection(beta1, t), biasCorrection(beta2, t)];
  return squares.map((square, k) => {
    const before = momentBefore(square, secondMoment?.[k] ?? 0, count, settings);
    const next = beta2 * before + (1 - beta2) * square;
    return first * (Math.sqrt(next / second) + epsilon);
  });
}

/** The v that the step takes up; GI-Adam's may begin with this very gradient. */
function momentBefore(
  square: number,
  v: number,
  count: number,
  { initialScale, initialization }: AdamSettings,
): number {
  if (initialScale === undefined) return v;
  const isFirst = initialization === 'firstNonZeroGradient' ? v === 0 : count === 0;
  return isFirst ? initialScale * square : v;
}

function checkPositive(label: string, preconditioner: Float64Array): void {
  const zero = preconditioner.indexOf(0);
  if (zero >= 0)
    throw new Error(
      `${label}: the preconditioner is 0 at weight ${zero} of the variables, ` +
        'which has no gradient; give the optimizer an epsilon above 0',
    );
}
