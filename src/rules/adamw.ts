/**
 * AdamW. Source: Loshchilov and Hutter, Decoupled weight decay regularization, Algorithm 2 (arXiv
 * 1711.05101). float64 references: test/reference/adamw.ts, and test/reference/nadamw.ts
 * with Nesterov's look-ahead.
 */
import { add, div, ema, mul, sqrt, square } from '../compiler/expression.js';
import { makeRule, type HostValues, type Values } from '../compiler/rule.js';
import { beta, float32Within, type Option } from '../schema.js';
import { biasCorrection, lookAheadCorrection } from './bias-correction.js';
import type { Correction } from './correction.js';
import { decayedStep } from './decayed-step.js';

export const defaultEpsilon = 1e-8;

/** The root of the smallest second moment that float32 holds: with it as epsilon, 0 / 0 is 0. */
const smallestEpsilon = 2 ** -75;

/** A number that is 0 in float32 is 0 itself. */
function epsilonOption(): Option {
  const option = float32Within('[0, Infinity)', defaultEpsilon);
  const accepts = (value: unknown): boolean =>
    option.accepts(value) && (value === 0 || Math.fround(value as number) > 0);
  return { ...option, accepts };
}

/** The hyperparameters that AdamW shares with its relatives. */
export const adamHyperparameters = {
  beta1: /* @__PURE__ */ beta(0.9),
  beta2: /* @__PURE__ */ beta(0.999),
  epsilon: /* @__PURE__ */ epsilonOption(),
};
export const adamSlots = { m: 'element', v: 'element' } as const;
export const adamRoles = {
  momentum: 'm',
  momentumDecay: 'beta1',
  momentumCorrected: true,
  secondMoment: 'v',
} as const;

export type AdamSlot = keyof typeof adamSlots;
export type AdamHyperparameter = keyof typeof adamHyperparameters;
export type AdamHostValues = HostValues<AdamHyperparameter>;
export type AdamScalar = keyof ReturnType<typeof adamHost>;

/**
 * Adam's scalars: with them its direction, (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) +
 * epsilon), is directionScale m / (sqrt(v) + scaledEpsilon). An epsilon of 0 is so small a number
 * that no v above 0 shows it.
 */
export function adamHost(values: AdamHostValues) {
  const { learningRate, weightDecay, beta1, beta2, epsilon, count } = values;
  const root = Math.sqrt(biasCorrection(beta2, count + 1));
  const directionScale = root / biasCorrection(beta1, count + 1);
  return {
    beta1,
    beta2,
    decay: learningRate * weightDecay,
    directionScale,
    stepSize: learningRate * directionScale,
    scaledEpsilon: Math.max(epsilon * root, smallestEpsilon),
    lookAhead: lookAheadCorrection(beta1, count + 1),
  };
}

/**
 * The new moments, and the direction without its scale. With `nesterov` the direction's momentum is
 * beta1 m / (1 - beta1^(t+1)) + (1 - beta1) g / (1 - beta1^t), as in `nesterov(adamW())`.
 */
export function adamDirection(
  { g, m, v }: Values<'g' | AdamSlot>,
  s: Values<AdamScalar>,
  nesterov = false,
) {
  const first = ema(m, g, s.beta1);
  const second = ema(v, square(g), s.beta2);
  const momentum = nesterov ? ema(mul(s.lookAhead, first), g, s.beta1) : first;
  return { direction: div(momentum, add(sqrt(second), s.scaledEpsilon)), m: first, v: second };
}

/** AdamW's step, with a correction of its learning rate if one is given. */
export function adamUpdate(
  { w, ...values }: Values<'w' | 'g' | AdamSlot>,
  s: Values<AdamScalar>,
  rrc?: Correction,
  nesterov = false,
): Values<'w' | AdamSlot> {
  const { direction, m, v } = adamDirection(values, s, nesterov);
  const corrected = rrc?.correct({ ...values, momentum: m }, s);
  const step = mul(s.stepSize, direction);
  return {
    w: decayedStep(w, corrected ? corrected.scale(step) : step, s),
    m,
    v,
    ...corrected?.slots,
  };
}

/** AdamW, with a correction of its learning rate if one is given; NAdamW with `nesterov`. */
export const adamW = (rrc?: Correction, nesterov = false) =>
  makeRule<AdamSlot, AdamHyperparameter, AdamScalar>({
    name: nesterov ? 'nesterovAdamW' : 'adamW',
    slots: { ...adamSlots, ...rrc?.slots },
    roles: adamRoles,
    hyperparameters: adamHyperparameters,
    decoupled: true,
    host: (values) => ({ ...adamHost(values), ...rrc?.host(values, values.beta1) }),
    update: (values, s) => adamUpdate(values, s, rrc, nesterov),
  });
