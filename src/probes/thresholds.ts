/**
 * Where training becomes unstable: the largest sharpness that an optimizer can bear at a learning
 * rate.
 */
import { beta, parseOptions, required, within } from '../schema.js';
import { either } from './options.js';

const kinds = ['gd', 'momentum', 'adam'] as const satisfies InstabilityKind[];

/**
 * Whose threshold: gradient descent, SGD with momentum, or Adam and AdamW, for the preconditioned
 * sharpness.
 */
export type InstabilityKind = 'gd' | 'momentum' | 'adam';

/** Options of {@link instabilityThreshold}. */
export type ThresholdOptions = {
  /** The rate of the step, in (0, Infinity). */
  readonly learningRate: number;
  /**
   * Whose threshold.
   *
   * @defaultValue 'gd'
   */
  readonly kind?: InstabilityKind;
  /**
   * Momentum, or Adam's beta1, in [0, 1); 'gd' has none.
   *
   * @defaultValue 0.9
   */
  readonly beta?: number;
};

/** What instability depends on beside the learning rate. */
export const kindSchema = { kind: either(...kinds), beta: beta(0.9) };

const thresholdSchema = { learningRate: required(within('(0, Infinity)')), ...kindSchema };
const distanceSchema = {
  sharpness: required(within('(-Infinity, Infinity)')),
  ...thresholdSchema,
};

/**
 * The sharpness above which steps at a learning rate eta overshoot, in units of the sharpness.
 *
 * 'gd': 2 / eta. 'momentum': (2 + 2 beta) / eta, for m <- beta m + g as in SGDMomentum; its very
 * first step has no momentum yet and is unstable above 2 / eta already. 'adam': (2 + 2 beta) /
 * ((1 - beta) eta), 38 / eta at beta 0.9, to be compared with the preconditioned sharpness. All
 * hold for full batches; small batches lower them noticeably.
 *
 * @param options - The learning rate, and whose threshold.
 * @returns The largest stable sharpness.
 * @throws {Error} if an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/2406.09405 | Kalra and Barkeshli, Why warmup the learning
 *   rate?, sections B.1, E.2 and E.4}
 * @see {@link https://arxiv.org/abs/2207.14484 | Cohen et al., Adaptive gradient methods at the
 *   edge of stability}
 * @example
 * instabilityThreshold({ learningRate: 0.01 }); // 200
 * instabilityThreshold({ learningRate: 0.01, kind: 'adam' }).toFixed(3); // '3800.000'
 */
export function instabilityThreshold(options: ThresholdOptions): number {
  const given = parseOptions('instabilityThreshold', thresholdSchema, options);
  return threshold(given as Required<ThresholdOptions>);
}

/**
 * How far training is from instability: sharpness / threshold, without units. Below 1 a step is
 * stable, at 1 training is at the edge of stability, above 1 the weights oscillate with a growing
 * amplitude in the sharpest direction.
 *
 * eta lambda / 2 for 'gd', eta lambda / (2 + 2 beta) for 'momentum', (1 - beta) eta lambda /
 * (2 + 2 beta) for 'adam'.
 *
 * @param options - Those of `instabilityThreshold`, and `sharpness`, for 'adam' the preconditioned
 *   one.
 * @returns The sharpness as a part of the threshold.
 * @throws {Error} if an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/2406.09405 | Kalra and Barkeshli, Why warmup the learning
 *   rate?, sections B.1, E.2 and E.4}
 * @example
 * distanceToInstability({ sharpness: 150, learningRate: 0.01 }); // 0.75
 *
 * const { value } = await sharpness(loss, variables);
 * const learningRate = optimizer.currentLearningRate;
 * const distance = distanceToInstability({ sharpness: value, learningRate, kind: 'momentum' });
 * distance < 1; // true
 */
export function distanceToInstability(
  options: ThresholdOptions & { readonly sharpness: number },
): number {
  const given = parseOptions('distanceToInstability', distanceSchema, options);
  const { sharpness, ...settings } = given as Required<typeof options>;
  return sharpness / threshold(settings);
}

function threshold({ learningRate, kind, beta }: Required<ThresholdOptions>): number {
  const room = kind === 'gd' ? 2 : 2 + 2 * beta;
  return room / (learningRate * (kind === 'adam' ? 1 - beta : 1));
}
