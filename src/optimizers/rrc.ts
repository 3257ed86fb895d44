/** The option `rrc`: the correction of the learning rate from the gradient's signal-to-noise ratio. */
import { check, checkNames, checkNumber } from '../check.js';
import type { RRCForm } from '../rules/rrc.js';
import type { Hyperparameter } from './hyperparameters.js';
import type { LearningRate } from './learning-rate.js';

/** A reconstruction of the correction of arXiv 2410.23922; see `src/rules/rrc.ts` for the formulas. */
export type RRCOptions = {
  /** Independent samples in a batch (the tokens of a text count), at least 1. Default: not known, taken as infinite. */
  readonly batchSize?: number;
  /** The smallest factor, in (0, 1]. Default 1 / sqrt(batchSize), or 0.05. */
  readonly minimum?: number;
  /**
   * The signal-to-noise ratio of the mini-batch gradient, for all variables, in [0, Infinity]; NaN while it is not known.
   * A number or a function of the step, which may give what `gradientSNR({ halves })` of `tfjs-warmup/probes` last
   * estimated. Default: estimated for each variable from the powers of its gradient and its momentum.
   */
  readonly signalToNoise?: LearningRate;
  /** True to use the sums of the very step, at the price of a second sweep; else those up to the step before. Default false. */
  readonly immediate?: boolean;
  /** The factor while nothing is known: 'cautious' takes the minimum, 'none' takes 1. Default 'cautious'. */
  readonly start?: 'cautious' | 'none';
};

export const rrcOption: Hyperparameter<undefined> = {
  default: undefined,
  check(owner, option, value) {
    checkNames(`${owner}: ${option}`, value, ['batchSize', 'minimum', 'signalToNoise', 'immediate', 'start']);
    const { batchSize, minimum, signalToNoise, immediate, start } = value as RRCOptions;
    if (batchSize !== undefined) checkNumber(owner, `${option}.batchSize`, batchSize, '[1, Infinity)');
    if (minimum !== undefined) checkNumber(owner, `${option}.minimum`, minimum, '(0, 1]');
    if (signalToNoise !== undefined && typeof signalToNoise !== 'function') checkRatio(owner, `${option}.signalToNoise`, signalToNoise);
    check(signalToNoise === undefined || !immediate, owner, `${option}.immediate`, 'be left out with signalToNoise', immediate);
    if (immediate !== undefined) check(typeof immediate === 'boolean', owner, `${option}.immediate`, 'be true or false', immediate);
    if (start !== undefined) check(start === 'cautious' || start === 'none', owner, `${option}.start`, "be 'cautious' or 'none'", start);
  },
};

export const rrcForm = (options: RRCOptions | undefined): RRCForm | undefined => options && { immediate: options.immediate === true, given: options.signalToNoise !== undefined };

/** The smallest factor where the batch size is not known. */
const unknownBatchMinimum = 0.05;

/** The numbers of a step for the rule. */
export function rrcNumbers(owner: string, options: RRCOptions | undefined, step: number): Record<string, number> {
  if (!options) return {};
  const { batchSize = 0, minimum = batchSize > 0 ? 1 / Math.sqrt(batchSize) : unknownBatchMinimum, start = 'cautious', signalToNoise } = options;
  const ratio = typeof signalToNoise === 'function' ? signalToNoise(step) : signalToNoise;
  if (ratio !== undefined) checkRatio(owner, `rrc.signalToNoise at step ${step}`, ratio);
  return { rrcBatchSize: batchSize, rrcMinimum: minimum, rrcStart: start === 'cautious' ? minimum : 1, rrcSignalToNoise: ratio ?? NaN };
}

const checkRatio = (owner: string, option: string, ratio: unknown): void =>
  check(typeof ratio === 'number' && !(ratio < 0), owner, option, 'lie in [0, Infinity], or be NaN while it is not known', ratio);
