import { adamHyperparameters, adamW } from '../rules/adamw.js';
import { rotationalAdamW } from '../rules/rotational.js';
import type { AdamOptions } from './adamw.js';
import { FusedOptimizer } from './optimizer.js';
import { rotationalDefinition, type RotationalOptions } from './rotational.js';

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
 * AdamW's step. Weight decay: default 0.01; it enters the angle only. Slots: m and v, of the
 * variable's shape; norm and energy, one number a neuron.
 *
 * @throws for an option that is unknown or out of range; at the first step, if no variable rotates.
 * @see Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212), and its authors' code.
 * @example
 * const optimizer = new RotationalAdamW({ learningRate: 5e-3, weightDecay: 0.1 });   // no warmup schedule
 */
export class RotationalAdamW extends FusedOptimizer {
  static get className() {
    return 'RotationalAdamW';
  }

  constructor(options: RotationalAdamWOptions) {
    super(
      'RotationalAdamW',
      rotationalDefinition('RotationalAdamW', {
        weightDecay: 0.01,
        decoupled: true,
        hyperparameters: adamHyperparameters,
        equilibriumRate: 'adamw',
        rule: () => adamW(),
        turning: rotationalAdamW,
      }),
      options,
    );
  }
}
