import type { Rule } from '../compiler/rule.js';
import { momentumHyperparameters, sgdMomentum } from '../rules/sgd-momentum.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions } from './options.js';
import { flag } from '../schema.js';

/** Options of {@link SGDMomentum}. */
export type SGDMomentumOptions = CommonOptions & {
  /**
   * What is kept of the velocity from one step to the next, in [0, 1).
   * @defaultValue 0.9
   */
  readonly momentum?: number;
  /**
   * Looks one step ahead.
   * @defaultValue false
   */
  readonly nesterov?: boolean;
};

export const momentumRule = ({ nesterov }: SGDMomentumOptions): Rule =>
  sgdMomentum(nesterov === true);

/**
 * Stochastic gradient descent with momentum, as in PyTorch.
 *
 * g <- g + weightDecay w; m <- momentum m + g; w <- w - learningRate m, or with Nesterov w -
 * learningRate (g + momentum m).
 *
 * Weight decay: 0 by default, added to the gradient. Slots: m, of the variable's shape.
 *
 * @param options - See {@link SGDMomentumOptions}.
 * @throws {Error} if an option is unknown or out of range.
 * @see {@link https://proceedings.mlr.press/v28/sutskever13.html | Sutskever et al., On the
 * importance of initialization and momentum in deep learning, ICML 2013, section 2}
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { SGDMomentum } from 'tfjs-warmup/optimizers';
 *
 * const w = tf.variable(tf.zeros([2]), true, 'w');
 * const optimizer = new SGDMomentum({ learningRate: 0.1 });
 * for (let step = 0; step < 2; step++) optimizer.minimize(() => tf.sum(tf.mul(w, [1, -1])));
 * // m is 1, then 0.9 + 1.
 * Array.from(w.dataSync(), (value) => value.toFixed(2)); // ['-0.29', '0.29']
 */
export class SGDMomentum extends FusedOptimizer {
  static get className() {
    return 'SGDMomentum';
  }

  constructor(options: SGDMomentumOptions) {
    super(
      {
        weightDecay: 0,
        decoupled: false,
        hyperparameters: { ...momentumHyperparameters, nesterov: flag(false) },
        rule: momentumRule,
      },
      options,
    );
  }
}
