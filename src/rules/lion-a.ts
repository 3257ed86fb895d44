/**
 * LionA: Lion with one beta, its update scaled to the steady-state size of AdamW's. A
 * reconstruction: of arXiv 2410.23922 only the abstract and captions could be read; the formulas
 * are this library's reading of it. float64 reference: test/reference/lion-a.ts.
 */
import { ema, mul, sign, type Expression } from '../compiler/expression.js';
import { makeRule, type HostValues, type Values } from '../compiler/rule.js';
import { beta as betaOption, within } from '../schema.js';
import { biasCorrection } from './bias-correction.js';
import type { Corrected, Correction } from './correction.js';
import { decayedStep } from './decayed-step.js';
import { steadyStateSize } from './equilibrium.js';

/** The hyperparameters that LionA shares with LionAR; `matchAdamW` is 0 or 1. */
export const lionAHyperparameters = {
  beta: /* @__PURE__ */ betaOption(0.9),
  matchAdamW: /* @__PURE__ */ within('[0, 1]', 1),
};

export type LionASlot = 'm';
export type LionAHyperparameter = keyof typeof lionAHyperparameters;
export type LionAScalar = 'beta1' | 'beta2' | 'inverse' | 'decay' | 'stepSize';

export type BiasCorrection = 'none' | 'inverse' | 'inverseNoise';

export type LionAForm = {
  readonly nesterov: boolean;
  readonly biasCorrection: BiasCorrection;
  readonly rrc?: Correction;
};

/**
 * By how much a zero-initialised running mean is still too small: 1 - beta^t for a constant
 * gradient, sqrt(1 - beta^2t) for noise. Sign updates do not shrink with it by themselves.
 */
export function inverseBiasCorrection(kind: BiasCorrection, beta: number, t: number): number {
  if (kind === 'none') return 1;
  return kind === 'inverse' ? biasCorrection(beta, t) : Math.sqrt(biasCorrection(beta ** 2, t));
}

/**
 * Lion(beta1 = beta^2, beta2 = beta) is the Nesterov look-ahead of a running mean; Lion(beta, beta)
 * the mean itself.
 */
export const lionABetas = (beta: number, nesterov: boolean): { beta1: number; beta2: number } => ({
  beta1: nesterov ? beta ** 2 : beta,
  beta2: beta,
});

/**
 * Scalars of the sign direction, and those of the correction beside them. `inverse` is the factor
 * of the bias correction; `stepSize` multiplies the sign.
 */
export function lionAHost(
  { biasCorrection: correction, nesterov, rrc }: LionAForm,
  values: HostValues<LionAHyperparameter>,
): Readonly<Record<LionAScalar, number>> {
  const { learningRate, weightDecay, beta, count, matchAdamW } = values;
  const inverse = inverseBiasCorrection(correction, beta, count + 1);
  const { beta1, beta2 } = lionABetas(beta, nesterov);
  return {
    beta1,
    beta2,
    inverse,
    decay: learningRate * weightDecay,
    stepSize: learningRate * inverse * (matchAdamW ? steadyStateSize(beta) : 1),
    ...rrc?.host(values, beta),
  };
}

/**
 * The sign direction, the new slots, and `scale`, which multiplies an expression by the factor of
 * the correction if there is one.
 */
export function lionADirection(
  { rrc }: LionAForm,
  values: Values<'g' | LionASlot>,
  s: Values<LionAScalar>,
): {
  direction: Expression;
  scale: Corrected['scale'] | undefined;
  slots: Values<LionASlot>;
} {
  const { g, m } = values;
  const momentum = ema(m, g, s.beta2);
  const corrected = rrc?.correct({ ...values, momentum }, s);
  return {
    direction: sign(ema(m, g, s.beta1)),
    scale: corrected?.scale,
    slots: { m: momentum, ...corrected?.slots },
  };
}

/** LionA's slots, and those of its correction. */
export const lionASlots = ({ rrc }: LionAForm) => ({ m: 'element' as const, ...rrc?.slots });

/** LionA in one of its forms. */
export const lionA = (form: LionAForm) =>
  makeRule<LionASlot, LionAHyperparameter, LionAScalar>({
    name: 'lionA',
    slots: lionASlots(form),
    roles: { momentum: 'm', momentumDecay: 'beta' },
    hyperparameters: lionAHyperparameters,
    decoupled: true,
    host: (values) => lionAHost(form, values),
    update({ w, ...values }, s) {
      const { direction, scale, slots } = lionADirection(form, values, s);
      const step = mul(s.stepSize, direction);
      return { w: decayedStep(w, scale ? scale(step) : step, s), ...slots };
    },
  });
