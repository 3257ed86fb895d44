import { adamHyperparameters, adamW } from '../rules/adamw.js';
import { flag } from '../schema.js';
import { correctionOption, correctionStepValues } from './correction-option.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions } from './options.js';
import type { RRC } from './make-rrc.js';

/** Options of AdamW and its relatives. */
export type AdamOptions = CommonOptions & {
  /**
   * Decay rate of the first moment, in [0, 1).
   * @defaultValue 0.9
   */
  readonly beta1?: number;
  /**
   * Decay rate of the second moment, in [0, 1).
   * @defaultValue 0.999
   */
  readonly beta2?: number;
  /**
   * Keeps the divisor from zero, in [0, Infinity). With 0, an element whose gradients have all been 0
   * does not move.
   * @defaultValue 1e-8; 1e-4 where tfjs stores half floats, as webgl does on some devices
   */
  readonly epsilon?: number;
};

/** Options of {@link AdamW}. */
export type AdamWOptions = AdamOptions & {
  /**
   * Looks one step ahead: NAdamW.
   * @defaultValue false
   */
  readonly nesterov?: boolean;
  /**
   * What `rrc` returned: lowers the learning rate while the gradient's signal-to-noise ratio is
   * high.
   * @defaultValue no correction
   */
  readonly rrc?: RRC;
};

/**
 * Adam with decoupled weight decay.
 *
 * m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
 * w <- (1 - learningRate weightDecay) w
 *      - learningRate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon), t = 1, 2, ...
 *
 * Weight decay: 0.01 by default. Slots: m and v, of the variable's shape.
 *
 * @param options - See {@link AdamWOptions}.
 * @throws {Error} if an option is unknown or out of range.
 * @see {@link https://arxiv.org/abs/1711.05101 | Loshchilov and Hutter, Decoupled weight decay
 * regularization, Algorithm 2}
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { AdamW } from 'tfjs-warmup/optimizers';
 *
 * const kernel = tf.variable(tf.ones([2, 2]), true, 'kernel');
 * const optimizer = new AdamW({ learningRate: 1e-3, weightDecay: 0.1, clipNorm: 1 });
 * for (let step = 0; step < 3; step++) optimizer.minimize(() => tf.sum(tf.square(kernel)));
 * optimizer.iterations; // 3
 * optimizer.describe().map(({ name, weightDecay }) => `${name} ${weightDecay}`); // ['kernel 0.1']
 */
export class AdamW extends FusedOptimizer {
  static get className() {
    return 'AdamW';
  }

  constructor(options: AdamWOptions) {
    super(
      {
        weightDecay: 0.01,
        decoupled: true,
        hyperparameters: { ...adamHyperparameters, nesterov: flag(false), rrc: correctionOption },
        stepValues: correctionStepValues,
        rule: ({ rrc, nesterov }: AdamWOptions) => adamW(rrc, nesterov),
      },
      options,
    );
  }
}
