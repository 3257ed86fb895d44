/**
 * The rotation that an optimizer with weight decay settles at, in radians a step. Plain numbers, no
 * tfjs. Source: Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212) and its authors'
 * code, `*_etar_func`.
 */
import { check, checkNumber } from '../check.js';
import { required, parseOptions, within, type Schema } from '../schema.js';

/**
 * What the formulas need to know of an optimizer. `momentum` stands for beta1 where an optimizer
 * has no beta1, and for beta2.
 */
export type EquilibriumValues = {
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
};

export type EquilibriumRate = 'adamw' | 'sgdm' | 'lion';

/** The variance of beta1 m + (1 - beta1) g for unit noise, m its running mean with decay beta2. */
export const lionVariance = (beta1: number, beta2: number): number =>
  (1 - beta1) ** 2 + (beta1 ** 2 * (1 - beta2)) / (1 + beta2);

/**
 * sqrt((1 - beta) / (1 + beta)): the steady-state RMS of an AdamW update without its learning rate.
 */
export const steadyStateSize = (beta: number): number => Math.sqrt((1 - beta) / (1 + beta));

const rates: Record<EquilibriumRate, (values: EquilibriumValues) => number> = {
  adamw: ({ learningRate, weightDecay, beta1 }) =>
    Math.sqrt(2 * learningRate * weightDecay) * steadyStateSize(beta1),
  sgdm: ({ learningRate, weightDecay, beta1 }) =>
    Math.sqrt((2 * learningRate * weightDecay) / (1 + beta1)),
  lion: ({ learningRate, weightDecay, beta1, beta2 }) =>
    Math.sqrt(Math.PI * learningRate * weightDecay * lionVariance(beta1, beta2)),
};

export const equilibriumRates = Object.keys(rates) as EquilibriumRate[];

const label = 'equilibriumRotation';

/** A function, so that a bundle that does not ask for it leaves it out. */
const schema = (): Schema => ({
  kind: {
    required: true,
    allowed: `be one of ${equilibriumRates.join(', ')}`,
    accepts: (given) => equilibriumRates.includes(given as EquilibriumRate),
  },
  learningRate: required(within('[0, Infinity)')),
  weightDecay: required(within('[0, Infinity)')),
  beta1: within('[0, 1)'),
  beta2: within('[0, 1)'),
});

/**
 * The expected rotation of a weight vector per step in equilibrium:
 *   adamw: sqrt(2 eta lambda (1 - beta1) / (1 + beta1)),
 *   sgdm: sqrt(2 eta lambda / (1 + beta1)), beta1 its momentum,
 *   lion: sqrt(pi eta lambda ((1 - beta1)^2 + beta1^2 (1 - beta2) / (1 + beta2))).
 * Lion's formula assumes that the momentum forgets sooner than the weights: the rotation lies above
 * it by the share eta lambda / (2 (1 - beta2)).
 *
 * @param options - The optimizer and its settings.
 * @returns The rotation in radians a step.
 * @throws {Error} if the kind is unknown, a rate or decay is below 0, or a beta is outside [0, 1).
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson et al., Rotational equilibrium, Table 1}
 * @example
 * equilibriumRotation({ kind: 'adamw', learningRate: 0.01, weightDecay: 0.1 }).toFixed(5); // '0.01026'
 */
export function equilibriumRotation(options: {
  /** The optimizer. */
  readonly kind: EquilibriumRate;
  /** In [0, Infinity). */
  readonly learningRate: number;
  /** In [0, Infinity). */
  readonly weightDecay: number;
  /** In [0, 1); the momentum of 'sgdm'. @defaultValue 0.9 */
  readonly beta1?: number;
  /** In [0, 1); read for 'lion' alone. @defaultValue 0.99 for 'lion' */
  readonly beta2?: number;
}): number {
  const given = parseOptions(label, schema(), options) as typeof options;
  const { kind, beta1 = 0.9, beta2 = kind === 'lion' ? 0.99 : 0.999 } = given;
  return checkFinite(label, 'rotation', rates[kind]({ ...given, beta1, beta2 }));
}

/** Throws if numbers that are allowed give a result that is too large for a number. */
export function checkFinite(label: string, result: string, value: number): number {
  check(Number.isFinite(value), label, `the ${result} that these options give`, 'be finite', value);
  return value;
}

/** The rate function of an optimizer's option; what a user's function gives is checked. */
export function rateFunction(
  label: string,
  rate: EquilibriumRate | ((values: EquilibriumValues) => number),
): (values: EquilibriumValues) => number {
  if (typeof rate !== 'function') return rates[rate];
  return (values) => {
    const rotation = rate(values);
    checkNumber(label, 'the value of equilibriumRate', rotation, '[0, Infinity)');
    return rotation;
  };
}
