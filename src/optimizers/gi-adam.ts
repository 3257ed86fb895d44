import { giAdam, giAdamHyperparameters, type GIAdamInitialization } from '../rules/gi-adam.js';
import type { AdamOptions } from './adamw.js';
import { FusedOptimizer } from './optimizer.js';
import { oneOf, within } from '../schema.js';

/** Options of {@link GIAdam}. */
export type GIAdamOptions = AdamOptions & {
  /**
   * What the squared first gradient is multiplied with, in [1, Infinity).
   * @defaultValue 1
   */
  readonly initialScale?: number;
  /**
   * Where the second moment starts. 'gradient': at the squared first gradient of the variable.
   * 'firstNonZeroGradient': each entry at its own first gradient that is not 0, for embeddings
   * whose rows are seen late. 'random': at squared random numbers with the gradient's norm, the
   * authors' control experiment.
   * @defaultValue 'gradient'
   */
  readonly initialization?: GIAdamInitialization;
  /**
   * Seed of the random numbers, a number in [0, Infinity).
   * @defaultValue 0
   */
  readonly seed?: number;
};

/**
 * Adam whose second moment starts at the squared first gradient: an automatic warmup that costs
 * nothing.
 *
 * v_0 = initialScale g_1^2, then as AdamW with both bias corrections kept: the first update is
 * learningRate sqrt(1 - beta2) in each element, and the factor grows as sqrt(1 - beta2^t).
 *
 * Weight decay: 0 by default. Slots: m and v, of the variable's shape. The authors draw g_0 from a
 * batch of its own before training; here it is the first training gradient. `initialScale` above 1
 * and 'firstNonZeroGradient' are this library's.
 *
 * @param options - See {@link GIAdamOptions}.
 * @throws {Error} if an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/2406.09405 | Kalra and Barkeshli, Why warmup the learning
 * rate?, sections 6.2 and I.3, Eqs 9 to 11}
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { GIAdam } from 'tfjs-warmup/optimizers';
 *
 * const w = tf.variable(tf.zeros([2]), true, 'w');
 * const optimizer = new GIAdam({ learningRate: 0.02 });
 * optimizer.minimize(() => tf.sum(tf.mul(w, [5, -1])));
 * // Without a warmup schedule the first update is learningRate sqrt(1 - beta2).
 * Array.from(w.dataSync(), (value) => value.toFixed(5)); // ['-0.00063', '0.00063']
 */
export class GIAdam extends FusedOptimizer {
  static get className() {
    return 'GIAdam';
  }

  constructor(options: GIAdamOptions) {
    super(
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
