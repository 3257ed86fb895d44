/** LionA in float64: the form that this library gives to what is known of arXiv 2410.23922. */
import type { Reference, State, StepOptions } from './reference.js';
import { lionDirection } from './rotational.js';
import { rrcFactor, type RRCForm } from './rrc.js';

export type LionAForm = {
  readonly nesterov?: boolean;
  readonly biasCorrection?: 'none' | 'inverse' | 'inverseNoise';
  readonly matchAdamW?: boolean;
  readonly rrc?: RRCForm;
};

/** f_t */
export function inverseBias(kind: LionAForm['biasCorrection'], beta: number, t: number): number {
  if (kind === 'inverse') return 1 - beta ** t;
  if (kind === 'inverseNoise') return Math.sqrt(1 - beta ** (2 * t));
  return 1;
}

/** kA, the steady-state RMS of AdamW's update */
export const matchedSize = (beta: number, matchAdamW = true): number =>
  matchAdamW ? Math.sqrt((1 - beta) / (1 + beta)) : 1;

/**
 * sign(c), c = b^2 m + (1 - b^2) g with Nesterov, else b m + (1 - b) g; m <- b m + (1 - b) g; and
 * the factors of the step.
 */
export function signDirection(
  { nesterov = true, biasCorrection, rrc }: LionAForm,
  g: Float64Array,
  state: State,
  options: StepOptions,
): { signs: Float64Array; factor: number } {
  const { beta, step } = options;
  const factor =
    inverseBias(biasCorrection, beta, step) * (rrc ? rrcFactor(rrc, g, state, { beta, step }) : 1);
  return {
    signs: lionDirection(g, state, { ...options, beta1: nesterov ? beta ** 2 : beta, beta2: beta }),
    factor,
  };
}

/** w <- w (1 - eta lambda) - eta f_t kA sign(c) */
export const lionA =
  (form: LionAForm = {}): Reference =>
  (w, g, state, options) => {
    const { learningRate: eta, weightDecay: lambda, beta } = options;
    const { signs, factor } = signDirection(form, g, state, options);
    for (let i = 0; i < w.length; i++)
      w[i] =
        w[i] * (1 - eta * lambda) - eta * factor * matchedSize(beta, form.matchAdamW) * signs[i];
  };
