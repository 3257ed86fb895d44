import { giAdam, giAdamHyperparameters, type GIAdamInitialization } from '../rules/gi-adam.js';
import type { AdamOptions } from './adamw.js';
import { FusedOptimizer } from './optimizer.js';
import { oneOf, within } from '../schema.js';

export type GIAdamOptions = AdamOptions & {
  /** What the squared first gradient is multiplied with, in [1, Infinity). Default 1. */
  readonly initialScale?: number;
  /**
   * Where the second moment starts. 'gradient': at the squared first gradient of the variable.
   * 'firstNonZeroGradient': each entry at its own first gradient that is not 0, for embeddings
   * whose rows are seen late. 'random': at squared random numbers with the gradient's norm, the
   * authors' control experiment. Default 'gradient'.
   */
  readonly initialization?: GIAdamInitialization;
  /** Seed of the random numbers, a number in [0, Infinity). Default 0. */
  readonly seed?: number;
};

/**
 * Adam whose second moment starts at the squared first gradient: an automatic warmup that costs
 * nothing.
 *
 * v_0 = initialScale g_1^2, then as AdamW with both bias corrections kept: the first update is
 * learningRate sqrt(1 - beta2) in each element, and the factor grows as sqrt(1 - beta2^t).
 *
 * Weight decay: default 0. Slots: m and v, of the variable's shape. The authors draw g_0 from a
 * batch of its own before training; here it is the first training gradient. `initialScale` above 1
 * and 'firstNonZeroGradient' are this library's.
 *
 * @throws for an option that is unknown or out of range.
 * @see Kalra and Barkeshli, Why warmup the learning rate? (arXiv 2406.09405), sections 6.2 and I.3,
 * Eqs 9 to 11.
 * @example
 * const optimizer = new GIAdam({ learningRate: 0.02 });   // no warmup schedule
 */
export class GIAdam extends FusedOptimizer {
  static get className() {
    return 'GIAdam';
  }

  constructor(options: GIAdamOptions) {
    super(
      'GIAdam',
      {
        weightDecay: 0,
        decoupled: true,
        hyperparameters: {
          ...giAdamHyperparameters,
          initialization: oneOf('gradient', 'firstNonZeroGradient', 'random'),
          seed: within('[0, Infinity)', 0),
        },
        rule: ({ initialization }: GIAdamOptions) => giAdam(initialization),
      },
      options,
    );
  }
}
