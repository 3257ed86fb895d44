import { adamHyperparameters, adamW } from '../rules/adamw.js';
import { rotationalAdamW } from '../rules/rotational.js';
import type { AdamOptions } from './adamw.js';
import { FusedOptimizer } from './optimizer.js';
import { rotationalDefinition, type RotationalOptions } from './rotational-definition.js';

/** Options of {@link RotationalAdamW}. */
export type RotationalAdamWOptions = AdamOptions & RotationalOptions;

/**
 * The rotational variant of AdamW: each neuron keeps its norm and turns by the angle that AdamW
 * would settle at.
 *
 * u = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon), without its mean and without its
 * part along w;
 * w <- w - eta_r N u / A, put back to the norm N; A the running root mean square of |u|,
 * eta_r = sqrt(2 learningRate weightDecay (1 - beta1) / (1 + beta1)) radians.
 *
 * Weights are centred once, before the first forward pass. What has rank 1 or no decay takes
 * AdamW's step. Weight decay: 0.01 by default; it enters the angle only. Slots: m and v, of the
 * variable's shape; norm and energy, one number a neuron.
 *
 * @param options - See {@link RotationalAdamWOptions}.
 * @throws {Error} if an option is unknown or out of range; at the first step, if no variable rotates.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson, Messmer, Jaggi, Rotational equilibrium},
 * and its authors' code
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { RotationalAdamW } from 'tfjs-warmup/optimizers';
 *
 * const kernel = tf.variable(tf.tensor2d([[3, 1], [5, 2], [1, 6]]), true, 'kernel');
 * const optimizer = new RotationalAdamW({ learningRate: 5e-3, weightDecay: 0.1 });
 * for (let step = 0; step < 3; step++) optimizer.minimize(() => tf.sum(tf.square(kernel)));
 * // The neurons, here the columns, keep their norms: sqrt(35) and sqrt(41).
 * Array.from(tf.norm(kernel, 2, 0).dataSync(), (norm) => norm.toFixed(3)); // ['5.916', '6.403']
 */
export class RotationalAdamW extends FusedOptimizer {
  static get className() {
    return 'RotationalAdamW';
  }

  constructor(options: RotationalAdamWOptions) {
    super(
      rotationalDefinition({
        weightDecay: 0.01,
        decoupled: true,
        hyperparameters: adamHyperparameters,
        equilibriumRate: 'adamw',
        rule: () => adamW(),
        rotationalRule: rotationalAdamW,
      }),
      options,
    );
  }
}
