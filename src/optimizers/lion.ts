import { lion, lionHyperparameters } from '../rules/lion.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions } from './options.js';

/** Options of {@link Lion}. */
export type LionOptions = CommonOptions & {
  /**
   * Weight of the momentum in the update's direction, in [0, 1).
   * @defaultValue 0.9
   */
  readonly beta1?: number;
  /**
   * Decay rate of the momentum, in [0, 1).
   * @defaultValue 0.99
   */
  readonly beta2?: number;
};

/**
 * Lion: every element moves by the learning rate, in the direction of a sign.
 *
 * w <- (1 - learningRate weightDecay) w - learningRate sign(beta1 m + (1 - beta1) g);
 * m <- beta2 m + (1 - beta2) g. sign(0) = 0.
 *
 * Weight decay: 0.1 by default. Slots: m, of the variable's shape. Learning rates are 3 to 10 times
 * smaller than AdamW's, weight decays as much larger.
 *
 * @param options - See {@link LionOptions}.
 * @throws {Error} if an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/2302.06675 | Chen et al., Symbolic discovery of optimization
 * algorithms, Algorithm 2}
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { Lion } from 'tfjs-warmup/optimizers';
 *
 * const w = tf.variable(tf.zeros([3]), true, 'w');
 * const optimizer = new Lion({ learningRate: 0.25 });
 * optimizer.minimize(() => tf.sum(tf.mul(w, [5, -1, 0])));
 * Array.from(w.dataSync()); // [-0.25, 0.25, 0]
 */
export class Lion extends FusedOptimizer {
  static get className() {
    return 'Lion';
  }

  constructor(options: LionOptions) {
    super(
      {
        weightDecay: 0.1,
        decoupled: true,
        hyperparameters: lionHyperparameters,
        rule: () => lion,
      },
      options,
    );
  }
}
