/** The option `rrc`: the correction of the learning rate from the gradient's signal-to-noise ratio. */
import { check, checkNames, checkNumber } from '../check.js';
import type { RRCForm } from '../rules/rrc.js';
import type { Hyperparameter } from './hyperparameters.js';

/** A reconstruction of the correction of arXiv 2410.23922; see `src/rules/rrc.ts` for the formulas. */
export type RRCOptions = {
  /** Independent samples in a batch (the tokens of a text count), at least 1. Default: not known, taken as infinite. */
  readonly batchSize?: number;
  /** The smallest factor, in (0, 1]. Default 1 / sqrt(batchSize), or 0.05. */
  readonly minimum?: number;
  /** True to use the sums of the very step, at the price of a second sweep; else those up to the step before. Default false. */
  readonly immediate?: boolean;
  /** The factor while nothing is known: 'cautious' takes the minimum, 'none' takes 1. Default 'cautious'. */
  readonly start?: 'cautious' | 'none';
};

export const rrcOption: Hyperparameter<undefined> = {
  default: undefined,
  check(owner, option, value) {
    checkNames(`${owner}: ${option}`, value, ['batchSize', 'minimum', 'immediate', 'start']);
    const { batchSize, minimum, immediate, start } = value as RRCOptions;
    if (batchSize !== undefined) checkNumber(owner, `${option}.batchSize`, batchSize, '[1, Infinity)');
    if (minimum !== undefined) checkNumber(owner, `${option}.minimum`, minimum, '(0, 1]');
    if (immediate !== undefined) check(typeof immediate === 'boolean', owner, `${option}.immediate`, 'be true or false', immediate);
    if (start !== undefined) check(start === 'cautious' || start === 'none', owner, `${option}.start`, "be 'cautious' or 'none'", start);
  },
};

export const rrcForm = (options: RRCOptions | undefined): RRCForm | undefined => options && { immediate: options.immediate === true };

/** The smallest factor where the batch size is not known. */
const unknownBatchMinimum = 0.05;

export function rrcNumbers(options: RRCOptions | undefined): Record<string, number> {
  if (!options) return {};
  const { batchSize = 0, minimum = batchSize > 0 ? 1 / Math.sqrt(batchSize) : unknownBatchMinimum, start = 'cautious' } = options;
  return { rrcBatchSize: batchSize, rrcMinimum: minimum, rrcStart: start === 'cautious' ? minimum : 1 };
}
