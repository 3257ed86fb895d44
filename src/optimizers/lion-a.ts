import {
  lionA,
  lionAHyperparameters as ruleHyperparameters,
  type BiasCorrection,
  type LionAForm,
} from '../rules/lion-a.js';
import { correctionNumbers, correctionOption } from './correction.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions, Options } from './options.js';
import type { RRC } from './rrc.js';
import { flag, oneOf } from '../schema.js';

export type LionAOptions = CommonOptions & {
  /** Decay rate of the momentum, in [0, 1). Default 0.9; 0 gives sign descent. */
  readonly beta?: number;
  /** Looks one step ahead. Default true. */
  readonly nesterov?: boolean;
  /**
   * What makes up for a momentum that is still small: 'inverse' multiplies the update by 1 -
   * beta^t, 'inverseNoise' by sqrt(1 - beta^2t). Default 'none'.
   */
  readonly biasCorrection?: BiasCorrection;
  /**
   * True to scale the sign to the steady-state size of AdamW's update, sqrt((1 - beta) / (1 +
   * beta)). Default true.
   */
  readonly matchAdamW?: boolean;
  /**
   * What `rrc` gave: lowers the update, not the decay, while the gradient's signal-to-noise ratio
   * is high. Off unless given.
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
 * c = beta^2 m + (1 - beta^2) g with Nesterov, else beta m + (1 - beta) g; m <- beta m + (1 - beta)
 * g;
 * w <- (1 - learningRate weightDecay) w - learningRate f_t k sign(c), k = sqrt((1 - beta) / (1 +
 * beta)), f_t the bias correction.
 *
 * Weight decay: default 0.1. Slots: m, of the variable's shape; with `rrc` five numbers more,
 * unless it is given the ratio.
 *
 * A reconstruction: of the paper only abstract and captions could be read.
 *
 * @throws for an option that is unknown or out of range.
 * @see Kosson, Messmer, Jaggi, Analyzing and reducing the need for learning rate warmup in GPT
 * training (arXiv 2410.23922).
 * @example
 * const optimizer = new LionA({ learningRate: 1e-3, biasCorrection: 'inverse' });
 */
export class LionA extends FusedOptimizer {
  static get className() {
    return 'LionA';
  }

  constructor(options: LionAOptions) {
    super(
      'LionA',
      {
        weightDecay: 0.1,
        decoupled: true,
        hyperparameters: lionAHyperparameters(),
        numbers: correctionNumbers,
        rule: (complete: Options & LionAForm) => lionA(complete),
      },
      options,
    );
  }
}
