import { lion, lionHyperparameters } from '../rules/lion.js';
import { rotationalLion } from '../rules/rotational.js';
import type { LionOptions } from './lion.js';
import { FusedOptimizer } from './optimizer.js';
import { rotationalDefinition, type RotationalOptions } from './rotational-definition.js';

/** Options of {@link RotationalLion}. */
export type RotationalLionOptions = LionOptions & RotationalOptions;

/**
 * The rotational variant of Lion: each neuron keeps its norm and turns by the angle that Lion would
 * settle at.
 *
 * u = sign(beta1 m + (1 - beta1) g); then as RotationalAdamW with
 * eta_r = sqrt(pi learningRate weightDecay ((1 - beta1)^2 + beta1^2 (1 - beta2) / (1 + beta2)))
 * radians.
 *
 * What does not rotate takes Lion's step. Weight decay: 0.1 by default; it enters the angle only.
 * Slots: m, of the variable's shape; norm and energy, one number a neuron.
 *
 * @param options - See {@link RotationalLionOptions}.
 * @throws {Error} if an option is unknown or out of range; at the first step, if no variable rotates.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson, Messmer, Jaggi, Rotational equilibrium},
 * and its authors' code
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { RotationalLion } from 'tfjs-warmup/optimizers';
 *
 * const kernel = tf.variable(tf.tensor2d([[3, 1], [5, 2], [1, 6]]), true, 'kernel');
 * const optimizer = new RotationalLion({ learningRate: 1e-3, weightDecay: 0.5 });
 * for (let step = 0; step < 3; step++) optimizer.minimize(() => tf.sum(tf.square(kernel)));
 * // The neurons, here the columns, keep their norms: sqrt(35) and sqrt(41).
 * Array.from(tf.norm(kernel, 2, 0).dataSync(), (norm) => norm.toFixed(3)); // ['5.916', '6.403']
 */
export class RotationalLion extends FusedOptimizer {
  static get className() {
    return 'RotationalLion';
  }

  constructor(options: RotationalLionOptions) {
    super(
      rotationalDefinition({
        weightDecay: 0.1,
        decoupled: true,
        hyperparameters: lionHyperparameters,
        equilibriumRate: 'lion',
        rule: () => lion,
        rotationalRule: rotationalLion,
      }),
      options,
    );
  }
}
