import { rotationalSGDM } from '../rules/rotational.js';
import { momentumHyperparameters } from '../rules/sgd-momentum.js';
import { flag } from '../schema.js';
import { FusedOptimizer } from './optimizer.js';
import { rotationalDefinition, type RotationalOptions } from './rotational-definition.js';
import { momentumRule, type SGDMomentumOptions } from './sgd-momentum.js';

/**
 * Options of {@link RotationalSGDM}. `weightDecay` must be given: the angle comes from it. With
 * equilibriumRate 'adamw' or 'lion' the momentum stands for the betas.
 */
export type RotationalSGDMOptions = SGDMomentumOptions & RotationalOptions;

/**
 * The rotational variant of SGD with momentum: each neuron keeps its norm and turns by the angle
 * that SGD would settle at.
 *
 * m <- momentum m + g; u = m, or g + momentum m with Nesterov; then as RotationalAdamW with
 * eta_r = sqrt(2 learningRate weightDecay / (1 + momentum)) radians. What does not rotate takes
 * SGDMomentum's step.
 *
 * Weight decay: 0 by default, with which nothing rotates. Slots: m, of the variable's shape; norm
 * and energy, one number a neuron.
 *
 * @param options - See {@link RotationalSGDMOptions}.
 * @throws {Error} if an option is unknown or out of range; at the first step, if no variable rotates.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson, Messmer, Jaggi, Rotational equilibrium},
 * and its authors' code
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { RotationalSGDM } from 'tfjs-warmup/optimizers';
 *
 * const kernel = tf.variable(tf.tensor2d([[3, 1], [5, 2], [1, 6]]), true, 'kernel');
 * const optimizer = new RotationalSGDM({ learningRate: 0.1, weightDecay: 1e-3 });
 * for (let step = 0; step < 3; step++) optimizer.minimize(() => tf.sum(tf.square(kernel)));
 * // The neurons, here the columns, keep their norms: sqrt(35) and sqrt(41).
 * Array.from(tf.norm(kernel, 2, 0).dataSync(), (norm) => norm.toFixed(3)); // ['5.916', '6.403']
 */
export class RotationalSGDM extends FusedOptimizer {
  static get className() {
    return 'RotationalSGDM';
  }

  constructor(options: RotationalSGDMOptions) {
    super(
      rotationalDefinition({
        weightDecay: 0,
        decoupled: false,
        hyperparameters: { ...momentumHyperparameters, nesterov: flag(false) },
        equilibriumRate: 'sgdm',
        rule: momentumRule,
        rotationalRule: (settings, { nesterov }) => rotationalSGDM(settings, nesterov === true),
      }),
      options,
    );
  }
}
