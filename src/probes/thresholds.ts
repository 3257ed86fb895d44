/**
 * Where training becomes unstable: the largest sharpness that an optimizer can bear at a learning
 * rate.
 */
import { check, checkNames, checkNumber } from '../check.js';

/**
 * Whose threshold: gradient descent, SGD with momentum, or Adam and AdamW, for the preconditioned
 * sharpness.
 */
export type InstabilityKind = 'gd' | 'momentum' | 'adam';

/** Options of {@link instabilityThreshold}. */
export type ThresholdOptions = {
  /** The rate of the step, in (0, Infinity). */
  readonly learningRate: number;
  /** 'gd', 'momentum' or 'adam'. Default 'gd'. */
  readonly kind?: InstabilityKind;
  /** Momentum, or Adam's beta1, in [0, 1). Default 0.9; 'gd' has none. */
  readonly beta?: number;
};

const kinds: ReadonlySet<unknown> = new Set(['gd', 'momentum', 'adam']);

/**
 * The sharpness above which steps at a learning rate eta overshoot, in units of the sharpness.
 *
 * 'gd': 2 / eta. 'momentum': (2 + 2 beta) / eta, for m <- beta m + g as in SGDMomentum; its very
 * first step has no
 * momentum yet and is unstable above 2 / eta already. 'adam': (2 + 2 beta) / ((1 - beta) eta), 38 /
 * eta at beta 0.9, and
 * to be compared with the preconditioned sharpness. All hold for full batches; small batches lower
 * them noticeably.
 *
 * @throws for an option that is unknown or out of range.
 * @see Kalra and Barkeshli, Why warmup the learning rate? (arXiv 2406.09405), sections B.1, E.2 and
 * E.4; Cohen et al.,
 *   Adaptive gradient methods at the edge of stability (arXiv 2207.14484).
 * @example
 * instabilityThreshold({ learningRate: 0.01, kind: 'adam' });   // 3800
 */
export function instabilityThreshold(options: ThresholdOptions): number {
  return threshold('instabilityThreshold', options, ['learningRate', 'kind', 'beta']);
}

/**
 * How far training is from instability: sharpness / threshold, without units. Below 1 a step is
 * stable, at 1 training is at the edge of stability, above 1 the weights oscillate with a growing
 * amplitude in the sharpest direction.
 *
 * eta lambda / 2 for 'gd', eta lambda / (2 + 2 beta) for 'momentum', (1 - beta) eta lambda / (2 + 2
 * beta) for 'adam'.
 *
 * @param options `sharpness` (for 'adam' the preconditioned one), `learningRate`, `kind` (default
 * 'gd') and `beta`
 *   (default 0.9).
 * @throws for an option that is unknown or out of range.
 * @see Kalra and Barkeshli, Why warmup the learning rate? (arXiv 2406.09405), sections B.1, E.2 and
 * E.4.
 * @example
 * const { value } = await sharpness(loss, variables);
 * distanceToInstability({ sharpness: value, learningRate: optimizer.currentLearningRate, kind: 'momentum', beta: 0.9 });
 */
export function distanceToInstability(
  options: ThresholdOptions & { readonly sharpness: number },
): number {
  const label = 'distanceToInstability';
  const limit = threshold(label, options, ['sharpness', 'learningRate', 'kind', 'beta']);
  checkNumber(label, 'sharpness', options.sharpness, '(-Infinity, Infinity)');
  return options.sharpness / limit;
}

function threshold(label: string, options: ThresholdOptions, names: readonly string[]): number {
  checkNames(label, options, names);
  const { learningRate, kind = 'gd', beta = 0.9 } = options;
  checkNumber(label, 'learningRate', learningRate, '(0, Infinity)');
  check(kinds.has(kind), label, 'kind', "be 'gd', 'momentum' or 'adam'", kind);
  checkNumber(label, 'beta', beta, '[0, 1)');
  const room = kind === 'gd' ? 2 : 2 + 2 * beta;
  return room / (learningRate * (kind === 'adam' ? 1 - beta : 1));
}
