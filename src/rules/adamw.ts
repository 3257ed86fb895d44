/**
 * AdamW. Source: Loshchilov and Hutter, Decoupled weight decay regularization, Algorithm 2 (arXiv
 * 1711.05101).
 */
import { add, div, ema, mul, sqrt, square, type Expression } from '../compiler/expression.js';
import {
  makeRule,
  type HostValues,
  type NewValues,
  type Rule,
  type Values,
} from '../compiler/rule.js';
import { biasCorrection } from './bias-correction.js';
import type { Correction } from './correction.js';
import { decayedStep } from './decayed-step.js';

export const adamSlots = { m: 'element', v: 'element' } as const;
export const adamRoles = { momentum: 'm', momentumDecay: 'beta1', secondMoment: 'v' } as const;

/**
 * Adam's scalars: with them its direction, (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) +
 * epsilon), is directionScale m / (sqrt(v) + scaledEpsilon).
 */
export function adamHost({ learningRate, weightDecay, beta1, beta2, epsilon, count }: HostValues) {
  const root = Math.sqrt(biasCorrection(beta2, count + 1));
  const directionScale = root / biasCorrection(beta1, count + 1);
  return {
    beta1,
    beta2,
    decay: learningRate * weightDecay,
    directionScale,
    stepSize: learningRate * directionScale,
    scaledEpsilon: epsilon * root,
  };
}

/** The new moments, and the direction without its scale. */
export function adamDirection({ g, m, v }: Record<'g' | 'm' | 'v', Expression>, s: Values) {
  const first = ema(m, g, s.beta1);
  const second = ema(v, square(g), s.beta2);
  return { direction: div(first, add(sqrt(second), s.scaledEpsilon)), m: first, v: second };
}

export function adamUpdate(
  { w, ...values }: Record<'w' | 'g' | 'm' | 'v', Expression>,
  s: Values,
  rrc?: Correction,
): NewValues {
  const { direction, m, v } = adamDirection(values, s);
  const corrected = rrc?.correct({ ...values, momentum: m }, s);
  const step = mul(s.stepSize, direction);
  return {
    w: decayedStep(w, corrected ? corrected.scale(step) : step, s),
    m,
    v,
    ...corrected?.slots,
  };
}

/** AdamW, with a correction of its learning rate if one is given. */
export const adamW = (rrc?: Correction): Rule =>
  makeRule({
    name: 'adamW',
    slots: { ...adamSlots, ...rrc?.slots },
    roles: adamRoles,
    host: (values) => ({ ...adamHost(values), ...rrc?.host(values, values.beta1) }),
    update: (values, s) => adamUpdate(values, s, rrc),
  });
