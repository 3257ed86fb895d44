import { adamHyperparameters, adamW } from '../rules/adamw.js';
import { flag } from '../schema.js';
import { correctionNumbers, correctionOption } from './correction.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions } from './options.js';
import type { RRC } from './rrc.js';

export type AdamOptions = CommonOptions & {
  /** Decay rate of the first moment, in [0, 1). Default 0.9. */
  readonly beta1?: number;
  /** Decay rate of the second moment, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Keeps the divisor from zero, in [0, Infinity). Default 1e-8. */
  readonly epsilon?: number;
};

export type AdamWOptions = AdamOptions & {
  /** Looks one step ahead: NAdamW. Default false. */
  readonly nesterov?: boolean;
  /**
   * What `rrc` gave: lowers the learning rate while the gradient's signal-to-noise ratio is high.
   * Off unless given.
   */
  readonly rrc?: RRC;
};

/**
 * Adam with decoupled weight decay.
 *
 * m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
 * w <- (1 - learningRate weightDecay) w - learningRate (m / (1 - beta1^t)) / (sqrt(v / (1 -
 * beta2^t)) + epsilon), t = 1, 2, ...
 *
 * Weight decay: default 0.01. Slots: m and v, of the variable's shape.
 *
 * @throws for an option that is unknown or out of range.
 * @see Loshchilov and Hutter, Decoupled weight decay regularization (arXiv 1711.05101), Algorithm
 * 2.
 * @example
 * const optimizer = new AdamW({ learningRate: 1e-3, weightDecay: 0.1, clipNorm: 1 });
 * optimizer.minimize(() => loss(model.predict(x), y));
 */
export class AdamW extends FusedOptimizer {
  static get className() {
    return 'AdamW';
  }

  constructor(options: AdamWOptions) {
    super(
      'AdamW',
      {
        weightDecay: 0.01,
        decoupled: true,
        hyperparameters: { ...adamHyperparameters, nesterov: flag(false), rrc: correctionOption },
        numbers: correctionNumbers,
        rule: ({ rrc, nesterov }: AdamWOptions) => adamW(rrc, nesterov),
      },
      options,
    );
  }
}
