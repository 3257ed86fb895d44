/**
 * Settings of one optimizer that give the update size and the equilibrium rotation of another.
 * Plain numbers, no tfjs.
 */
import { checkNames, checkNumber } from '../check.js';
import { equilibriumRotation, lionVariance, steadyStateSize } from './equilibrium.js';

/** What both AdamW and Lion take. */
export type DecayedSettings = { readonly learningRate: number; readonly weightDecay: number };
/** Default beta1: 0.9. */
export type AdamWSettings = DecayedSettings & { readonly beta1?: number };
/** Lion's betas, default 0.9 and 0.99. */
export type LionBetas = { readonly beta1: number; readonly beta2: number };

const intervals: Readonly<Record<string, string>> = {
  learningRate: '(0, Infinity)',
  weightDecay: '[0, Infinity)',
  rotation: '[0, Infinity)',
  beta1: '[0, 1)',
  beta2: '[0, 1)',
};

function checkSettings(
  label: string,
  options: Readonly<Record<string, unknown>>,
  required: readonly string[],
  optional: readonly string[] = [],
): void {
  checkNames(label, options, [...required, ...optional]);
  for (const name of Object.keys(intervals)) {
    if (required.includes(name) || (optional.includes(name) && options[name] !== undefined))
      checkNumber(label, name, options[name], intervals[name]);
  }
}

const lionDefaults: LionBetas = { beta1: 0.9, beta2: 0.99 };

function checkLion(label: string, options: AdamWSettings & { readonly lion?: LionBetas }): void {
  checkSettings(label, options, ['learningRate', 'weightDecay'], ['beta1', 'lion']);
  if (options.lion) checkSettings(`${label}: lion`, options.lion, ['beta1', 'beta2']);
}

/**
 * Lion's settings with the update size and the equilibrium rotation of AdamW's.
 *
 * eta' = eta k, lambda' = 2 eta lambda k^2 / (pi eta' q), k = sqrt((1 - beta1) / (1 + beta1)), q
 * Lion's variance.
 *
 * @param options AdamW's `learningRate` above 0, `weightDecay` and `beta1` (default 0.9); Lion's
 * betas as `lion`.
 * @throws for an option that is unknown or out of range.
 * @see Kosson et al. (arXiv 2305.17212), Table 1; the conversion is derived from it.
 * @example
 * const lion = new Lion({ ...lionFromAdamW({ learningRate: 1e-3, weightDecay: 0.1 }) });
 */
export function lionFromAdamW(
  options: AdamWSettings & { readonly lion?: LionBetas },
): DecayedSettings {
  checkLion('lionFromAdamW', options);
  const { learningRate, weightDecay, beta1 = 0.9, lion = lionDefaults } = options;
  const size = steadyStateSize(beta1);
  return {
    learningRate: learningRate * size,
    weightDecay: (2 * weightDecay * size) / (Math.PI * lionVariance(lion.beta1, lion.beta2)),
  };
}

/**
 * AdamW's settings with the update size and the equilibrium rotation of Lion's: the inverse of
 * `lionFromAdamW`.
 *
 * @param options Lion's `learningRate` above 0 and `weightDecay`, its betas as `lion`; AdamW's
 * `beta1` (default 0.9).
 * @throws for an option that is unknown or out of range.
 * @see Kosson et al. (arXiv 2305.17212), Table 1; the conversion is derived from it.
 * @example
 * const adamW = new AdamW({ ...adamWFromLion({ learningRate: 1e-4, weightDecay: 1 }) });
 */
export function adamWFromLion(
  options: AdamWSettings & { readonly lion?: LionBetas },
): DecayedSettings {
  checkLion('adamWFromLion', options);
  const { learningRate, weightDecay, beta1 = 0.9, lion = lionDefaults } = options;
  const size = steadyStateSize(beta1);
  return {
    learningRate: learningRate / size,
    weightDecay: (weightDecay * Math.PI * lionVariance(lion.beta1, lion.beta2)) / (2 * size),
  };
}

/**
 * The `rotation` of LionAR that equals AdamW's equilibrium rotation, in radians a step.
 *
 * rotation = sqrt(2 eta lambda (1 - beta1) / (1 + beta1)).
 *
 * @throws for an option that is unknown or out of range.
 * @see Kosson et al. (arXiv 2305.17212), Table 1.
 * @example
 * const lionAR = new LionAR({ learningRate: 3e-3, rotation: rotationFromAdamW({ learningRate: 0.01, weightDecay: 0.1 }) });
 */
export function rotationFromAdamW(options: AdamWSettings): number {
  checkSettings('rotationFromAdamW', options, ['learningRate', 'weightDecay'], ['beta1']);
  return equilibriumRotation({ kind: 'adamw', ...options });
}

/**
 * The weight decay with which AdamW settles at a rotation of LionAR.
 *
 * lambda = rotation^2 (1 + beta1) / (2 eta (1 - beta1)).
 *
 * @param options `rotation` in radians a step, AdamW's `learningRate` above 0 and `beta1` (default
 * 0.9).
 * @throws for an option that is unknown or out of range.
 * @see Kosson et al. (arXiv 2305.17212), Table 1.
 * @example
 * const weightDecay = weightDecayFromRotation({ rotation: 0.04, learningRate: 0.01 });
 */
export function weightDecayFromRotation(options: {
  readonly rotation: number;
  readonly learningRate: number;
  readonly beta1?: number;
}): number {
  checkSettings('weightDecayFromRotation', options, ['rotation', 'learningRate'], ['beta1']);
  const { rotation, learningRate, beta1 = 0.9 } = options;
  return (rotation / steadyStateSize(beta1)) ** 2 / (2 * learningRate);
}
