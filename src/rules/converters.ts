/**
 * Settings of one optimizer that give the update size and the equilibrium rotation of another.
 * Plain numbers, no tfjs.
 */
import { parseOptions, required, within, type Schema } from '../schema.js';
import { checkFinite, equilibriumRotation, lionVariance, steadyStateSize } from './equilibrium.js';

/** What both AdamW and Lion take. */
export type DecayedSettings = {
  /** Above 0. */
  readonly learningRate: number;
  /** In [0, Infinity), decoupled. */
  readonly weightDecay: number;
};
/** AdamW's settings. */
export type AdamWSettings = DecayedSettings & {
  /** Decay rate of the first moment, in [0, 1). @defaultValue 0.9 */
  readonly beta1?: number;
};
/** Lion's betas, each in [0, 1). */
export type LionBetas = { readonly beta1: number; readonly beta2: number };
/** Settings of AdamW, or of Lion where those are asked for, with both optimizers' betas. */
export type ConverterOptions = AdamWSettings & {
  /** Lion's betas. @defaultValue beta1 0.9 and beta2 0.99 */
  readonly lion?: LionBetas;
};

const rate = /* @__PURE__ */ required(within('(0, Infinity)'));
const decay = /* @__PURE__ */ required(within('[0, Infinity)'));
const decayRate = /* @__PURE__ */ within('[0, 1)');

const adamWSchema: Schema = { learningRate: rate, weightDecay: decay, beta1: decayRate };
const rotationSchema: Schema = { rotation: decay, learningRate: rate, beta1: decayRate };
const lionSchema: Schema = {
  beta1: /* @__PURE__ */ required(decayRate),
  beta2: /* @__PURE__ */ required(decayRate),
};
const converterSchema: Schema = {
  ...adamWSchema,
  lion: {
    allowed: 'be an object with beta1, beta2',
    accepts: (given) => given !== null && typeof given === 'object',
  },
};

const lionDefaults: LionBetas = { beta1: 0.9, beta2: 0.99 };

/** The settings to convert, with the steady-state size of AdamW's updates and Lion's variance. */
function readSettings(label: string, options: ConverterOptions) {
  const given = parseOptions(label, converterSchema, options) as ConverterOptions;
  const { learningRate, weightDecay, beta1 = 0.9 } = given;
  const lion = given.lion
    ? (parseOptions(`${label}: lion`, lionSchema, given.lion) as LionBetas)
    : lionDefaults;
  const variance = lionVariance(lion.beta1, lion.beta2);
  return { learningRate, weightDecay, size: steadyStateSize(beta1), variance };
}

/** Throws if settings that are allowed give one that is too large for a number. */
function checkedSettings(label: string, { learningRate, weightDecay }: DecayedSettings) {
  checkFinite(label, 'learningRate', learningRate);
  checkFinite(label, 'weightDecay', weightDecay);
  return { learningRate, weightDecay };
}

/**
 * Lion's settings with the update size and the equilibrium rotation of AdamW's.
 *
 *   eta' = eta k, lambda' = 2 eta lambda k^2 / (pi eta' q),
 * with k = sqrt((1 - beta1) / (1 + beta1)) and q = (1 - b1)^2 + b1^2 (1 - b2) / (1 + b2), b1 and b2
 * Lion's betas. Derived from the table below.
 *
 * @param options - AdamW's settings, and Lion's betas as `lion`.
 * @returns Lion's learning rate and weight decay.
 * @throws {Error} if an option is unknown or out of range, or a result is too large for a number.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson et al., Rotational equilibrium, Table 1}
 * @example
 * lionFromAdamW({ learningRate: 1e-3, weightDecay: 0.1 }).learningRate.toFixed(6); // '0.000229'
 * const optimizer = new Lion(lionFromAdamW({ learningRate: 1e-3, weightDecay: 0.1 }));
 */
export function lionFromAdamW(options: ConverterOptions): DecayedSettings {
  const label = 'lionFromAdamW';
  const { learningRate, weightDecay, size, variance } = readSettings(label, options);
  return checkedSettings(label, {
    learningRate: learningRate * size,
    weightDecay: (2 * weightDecay * size) / (Math.PI * variance),
  });
}

/**
 * AdamW's settings with the update size and the equilibrium rotation of Lion's: the inverse of
 * `lionFromAdamW`.
 *
 * @param options - Lion's `learningRate` and `weightDecay`, its betas as `lion`; AdamW's `beta1`.
 * @returns AdamW's learning rate and weight decay.
 * @throws {Error} if an option is unknown or out of range, or a result is too large for a number.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson et al., Rotational equilibrium, Table 1}
 * @example
 * adamWFromLion({ learningRate: 1e-4, weightDecay: 1 }).learningRate.toFixed(6); // '0.000436'
 * const optimizer = new AdamW(adamWFromLion({ learningRate: 1e-4, weightDecay: 1 }));
 */
export function adamWFromLion(options: ConverterOptions): DecayedSettings {
  const label = 'adamWFromLion';
  const { learningRate, weightDecay, size, variance } = readSettings(label, options);
  return checkedSettings(label, {
    learningRate: learningRate / size,
    weightDecay: (weightDecay * Math.PI * variance) / (2 * size),
  });
}

/**
 * The `rotation` of LionAR that equals AdamW's equilibrium rotation:
 *   rotation = sqrt(2 eta lambda (1 - beta1) / (1 + beta1)).
 *
 * @param options - AdamW's settings.
 * @returns The rotation in radians a step.
 * @throws {Error} if an option is unknown or out of range, or a result is too large for a number.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson et al., Rotational equilibrium, Table 1}
 * @example
 * const rotation = rotationFromAdamW({ learningRate: 0.01, weightDecay: 0.1 });
 * rotation.toFixed(5); // '0.01026'
 * const optimizer = new LionAR({ learningRate: 3e-3, rotation });
 */
export function rotationFromAdamW(options: AdamWSettings): number {
  const settings = parseOptions('rotationFromAdamW', adamWSchema, options) as AdamWSettings;
  return equilibriumRotation({ kind: 'adamw', ...settings });
}

/**
 * The weight decay with which AdamW settles at a rotation of LionAR:
 *   lambda = rotation^2 (1 + beta1) / (2 eta (1 - beta1)).
 *
 * @param options - LionAR's rotation, and AdamW's settings.
 * @returns AdamW's weight decay.
 * @throws {Error} if an option is unknown or out of range, or a result is too large for a number.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson et al., Rotational equilibrium, Table 1}
 * @example
 * weightDecayFromRotation({ rotation: 0.04, learningRate: 0.01 }).toFixed(2); // '1.52'
 */
export function weightDecayFromRotation(options: {
  /** In radians a step, in [0, Infinity). */
  readonly rotation: number;
  /** AdamW's, above 0. */
  readonly learningRate: number;
  /** AdamW's, in [0, 1). @defaultValue 0.9 */
  readonly beta1?: number;
}): number {
  const label = 'weightDecayFromRotation';
  const given = parseOptions(label, rotationSchema, options) as typeof options;
  const { rotation, learningRate, beta1 = 0.9 } = given;
  const weightDecay = (rotation / steadyStateSize(beta1)) ** 2 / (2 * learningRate);
  return checkFinite(label, 'weightDecay', weightDecay);
}
