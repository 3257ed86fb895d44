import {
  lionA,
  lionAHyperparameters as ruleHyperparameters,
  type BiasCorrection,
  type LionAForm,
} from '../rules/lion-a.js';
import { correctionOption, correctionStepValues } from './correction-option.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions, Options } from './options.js';
import type { RRC } from './make-rrc.js';
import { flag, oneOf } from '../schema.js';

/** Options of {@link LionA}. */
export type LionAOptions = CommonOptions & {
  /**
   * Decay rate of the momentum, in [0, 1); 0 gives sign descent.
   * @defaultValue 0.9
   */
  readonly beta?: number;
  /**
   * Looks one step ahead.
   * @defaultValue true
   */
  readonly nesterov?: boolean;
  /**
   * What makes up for a momentum that is still small: 'inverse' multiplies the update by 1 -
   * beta^t, 'inverseNoise' by sqrt(1 - beta^2t).
   * @defaultValue 'none'
   */
  readonly biasCorrection?: BiasCorrection;
  /**
   * True to scale the sign to the steady-state size of AdamW's update, sqrt((1 - beta) / (1 +
   * beta)).
   * @defaultValue true
   */
  readonly matchAdamW?: boolean;
  /**
   * What `rrc` returned: lowers the update, not the decay, while the gradient's signal-to-noise
   * ratio is high.
   * @defaultValue no correction
   */
  readonly rrc?: RRC;
};

/** The options that LionA shares with LionAR; `matchAdamW` is true or false here. */
export const lionAHyperparameters = () => ({
  beta: ruleHyperparameters.beta,
  nesterov: flag(true),
  biasCorrection: oneOf('none', 'inverse', 'inverseNoise'),
  matchAdamW: flag(true),
  rrc: correctionOption,
});

/**
 * Lion with control over the size of its update: no first step is larger than any other, whatever
 * the gradient.
 *
 * c = beta^2 m + (1 - beta^2) g with Nesterov, else beta m + (1 - beta) g;
 * m <- beta m + (1 - beta) g;
 * w <- (1 - learningRate weightDecay) w - learningRate f_t k sign(c),
 * k = sqrt((1 - beta) / (1 + beta)), f_t the bias correction.
 *
 * Weight decay: 0.1 by default. Slots: m, of the variable's shape; with `rrc` five numbers more,
 * unless it is given the ratio.
 *
 * A reconstruction: of the paper only abstract and captions could be read.
 *
 * @param options - See {@link LionAOptions}.
 * @throws {Error} if an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer, Jaggi, Analyzing and reducing the
 * need for learning rate warmup in GPT training}
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { LionA } from 'tfjs-warmup/optimizers';
 *
 * const w = tf.variable(tf.zeros([2]), true, 'w');
 * const optimizer = new LionA({ learningRate: 1, biasCorrection: 'inverse' });
 * optimizer.minimize(() => tf.sum(tf.mul(w, [5, -1])));
 * // (1 - 0.9) sqrt(0.1 / 1.9)
 * Array.from(w.dataSync(), (value) => value.toFixed(4)); // ['-0.0229', '0.0229']
 */
export class LionA extends FusedOptimizer {
  static get className() {
    return 'LionA';
  }

  constructor(options: LionAOptions) {
    super(
      {
        weightDecay: 0.1,
        decoupled: true,
        hyperparameters: lionAHyperparameters(),
        stepValues: correctionStepValues,
        rule: (complete: Options & LionAForm) => lionA(complete),
      },
      options,
    );
  }
}
