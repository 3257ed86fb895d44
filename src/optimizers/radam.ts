import { adamHyperparameters } from '../rules/adamw.js';
import { rAdam } from '../rules/radam.js';
import type { AdamOptions } from './adamw.js';
import { FusedOptimizer } from './optimizer.js';

/** Options of {@link RAdam}. */
export type RAdamOptions = AdamOptions;

/**
 * Rectified Adam: a warmup derived from how well the second moment is known.
 *
 * With rho_inf = 2 / (1 - beta2) - 1 and rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t): while rho_t
 * <= 5 the update is learningRate m / (1 - beta1^t); from then on Adam's, times
 * sqrt((rho_t-4)(rho_t-2)rho_inf / ((rho_inf-4)(rho_inf-2)rho_t)). The threshold 5 is PyTorch's and
 * Optax's.
 *
 * Weight decay: 0 by default, decoupled. Slots: m and v, of the variable's shape.
 *
 * @param options - See {@link RAdamOptions}.
 * @throws {Error} if an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/1908.03265 | Liu et al., On the variance of the adaptive
 * learning rate and beyond, Algorithm 2}
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { RAdam } from 'tfjs-warmup/optimizers';
 *
 * const w = tf.variable(tf.zeros([2]), true, 'w');
 * const optimizer = new RAdam({ learningRate: 1e-3 });
 * optimizer.minimize(() => tf.sum(tf.mul(w, [5, -1])));
 * // At first the update is that of the momentum alone: learningRate times the gradient.
 * Array.from(w.dataSync(), (value) => value.toFixed(4)); // ['-0.0050', '0.0010']
 */
export class RAdam extends FusedOptimizer {
  static get className() {
    return 'RAdam';
  }

  constructor(options: RAdamOptions) {
    super(
      { weightDecay: 0, decoupled: true, hyperparameters: adamHyperparameters, rule: () => rAdam },
      options,
    );
  }
}
