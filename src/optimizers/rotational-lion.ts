import { lion, lionHyperparameters } from '../rules/lion.js';
import { rotationalLion } from '../rules/rotational.js';
import type { LionOptions } from './lion.js';
import { FusedOptimizer } from './optimizer.js';
import { rotationalDefinition, type RotationalOptions } from './rotational.js';

export type RotationalLionOptions = LionOptions & RotationalOptions;

/**
 * The rotational variant of Lion: each neuron keeps its norm and turns by the angle that Lion would
 * settle at.
 *
 * u = sign(beta1 m + (1 - beta1) g); then as RotationalAdamW with
 * eta_r = sqrt(pi learningRate weightDecay ((1 - beta1)^2 + beta1^2 (1 - beta2) / (1 + beta2)))
 * radians.
 *
 * What does not rotate takes Lion's step. Weight decay: default 0.1; it enters the angle only.
 * Slots: m, of the variable's shape; norm and energy, one number a neuron.
 *
 * @throws for an option that is unknown or out of range; at the first step, if no variable rotates.
 * @see Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212), and its authors' code.
 * @example
 * const optimizer = new RotationalLion({ learningRate: 1e-3, weightDecay: 0.5 });
 */
export class RotationalLion extends FusedOptimizer {
  static get className() {
    return 'RotationalLion';
  }

  constructor(options: RotationalLionOptions) {
    super(
      'RotationalLion',
      rotationalDefinition('RotationalLion', {
        weightDecay: 0.1,
        decoupled: true,
        hyperparameters: lionHyperparameters,
        equilibriumRate: 'lion',
        rule: () => lion,
        turning: rotationalLion,
      }),
      options,
    );
  }
}
