import { rotationalSGDM } from '../rules/rotational.js';
import { momentumHyperparameters } from '../rules/sgd-momentum.js';
import { flag } from '../schema.js';
import { FusedOptimizer } from './optimizer.js';
import { rotationalDefinition, type RotationalOptions } from './rotational.js';
import { momentumRule, type SGDMomentumOptions } from './sgd-momentum.js';

/**
 * `weightDecay` must be given: the angle comes from it. With equilibriumRate 'adamw' or 'lion' the
 * momentum stands for the betas.
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
 * Weight decay: default 0, with which nothing rotates. Slots: m, of the variable's shape; norm and
 * energy, one number a neuron.
 *
 * @throws for an option that is unknown or out of range; at the first step, if no variable rotates.
 * @see Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212), and its authors' code.
 * @example
 * const optimizer = new RotationalSGDM({ learningRate: 0.1, weightDecay: 1e-3 });
 */
export class RotationalSGDM extends FusedOptimizer {
  static get className() {
    return 'RotationalSGDM';
  }

  constructor(options: RotationalSGDMOptions) {
    super(
      'RotationalSGDM',
      rotationalDefinition('RotationalSGDM', {
        weightDecay: 0,
        decoupled: false,
        hyperparameters: { ...momentumHyperparameters, nesterov: flag(false) },
        equilibriumRate: 'sgdm',
        rule: momentumRule,
        turning: (form, { nesterov }) => rotationalSGDM(form, nesterov === true),
      }),
      options,
    );
  }
}
