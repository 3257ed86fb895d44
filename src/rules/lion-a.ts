/**
 * LionA: Lion with one beta, its update scaled to the steady-state size of AdamW's. A reconstruction: of arXiv 2410.23922
 * only the abstract and captions could be read; the formulas are this library's reading of it.
 */
import { mix, mul, sign, type DeviceDomain, type Expression } from '../compiler/expression.js';
import { defineRule, type HostValues, type Rule, type Values } from '../compiler/rule.js';
import { biasCorrection } from './bias-correction.js';
import { decayedStep } from './decayed-step.js';
import { steadyStateSize } from './equilibrium.js';
import { rrcCorrection, rrcHost, slotsFor, type Corrected, type RRCForm } from './rrc.js';

export type BiasCorrection = 'none' | 'inverse' | 'inverseNoise';

export type LionAForm = {
  readonly nesterov: boolean;
  readonly biasCorrection: BiasCorrection;
  readonly rrc?: RRCForm;
};

/**
 * By how much a zero-initialised running mean is still too small: 1 - beta^t for a constant gradient, sqrt(1 - beta^2t)
 * for noise. Sign updates do not shrink with it by themselves.
 */
export function inverseBiasCorrection(kind: BiasCorrection, beta: number, t: number): number {
  if (kind === 'none') return 1;
  return kind === 'inverse' ? biasCorrection(beta, t) : Math.sqrt(biasCorrection(beta ** 2, t));
}

/** Lion(beta1 = beta^2, beta2 = beta) is the Nesterov look-ahead of a running mean; Lion(beta, beta) the mean itself. */
export const lionABetas = (beta: number, nesterov: boolean): { beta1: number; beta2: number } => ({ beta1: nesterov ? beta ** 2 : beta, beta2: beta });

/** Scalars of the sign direction; `size` is what the sign is multiplied with, apart from the learning rate. */
export function lionAHost({ biasCorrection: correction, nesterov, rrc }: LionAForm, values: HostValues) {
  const { learningRate, weightDecay, beta, count, matchAdamW } = values;
  const inverse = inverseBiasCorrection(correction, beta, count + 1);
  const { beta1, beta2 } = lionABetas(beta, nesterov);
  return {
    beta1,
    beta2,
    inverse,
    decay: learningRate * weightDecay,
    stepSize: learningRate * inverse * (matchAdamW ? steadyStateSize(beta) : 1),
    ...(rrc ? rrcHost(rrc, values, beta) : {}),
  };
}

/** The sign direction, the new slots, and what multiplies with the factor of the RRC correction. */
export function lionADirection({ rrc }: LionAForm, { g, m, ...others }: Record<string, Expression>, s: Values): { direction: Expression; corrected: Corrected | undefined; slots: Record<string, Expression> } {
  const momentum = mix(m, g, s.beta2);
  const correction = rrc && rrcCorrection(rrc, { ...(others as Parameters<typeof rrcCorrection>[1]), g, momentum }, s);
  return { direction: sign(mix(m, g, s.beta1)), corrected: correction?.corrected, slots: { m: momentum, ...correction?.slots } };
}

export const lionASlots = ({ rrc }: LionAForm): Record<string, DeviceDomain> => ({ m: 'element', ...slotsFor(rrc) });

export const lionA = (form: LionAForm): Rule =>
  defineRule({
    name: 'lionA',
    slots: lionASlots(form),
    roles: { momentum: 'm', momentumDecay: 'beta' },
    host: (values) => lionAHost(form, values),
    update: ({ w, ...values }: Record<string, Expression>, s: Values) => {
      const { direction, corrected, slots } = lionADirection(form, values, s);
      const step = mul(s.stepSize, direction);
      return { w: decayedStep(w, corrected ? corrected(step) : step, s), ...slots };
    },
  });
