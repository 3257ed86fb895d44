import { adamHyperparameters } from '../rules/adamw.js';
import { rAdam } from '../rules/radam.js';
import type { AdamOptions } from './adamw.js';
import { FusedOptimizer } from './optimizer.js';

export type RAdamOptions = AdamOptions;

/**
 * Rectified Adam: a warmup derived from how well the second moment is known.
 *
 * With rho_inf = 2 / (1 - beta2) - 1 and rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t): while rho_t
 * <= 5 the update is learningRate m / (1 - beta1^t); from then on Adam's, times
 * sqrt((rho_t-4)(rho_t-2)rho_inf / ((rho_inf-4)(rho_inf-2)rho_t)).
 *
 * Weight decay: default 0, decoupled. Slots: m and v, of the variable's shape.
 *
 * @throws for an option that is unknown or out of range.
 * @see Liu et al., On the variance of the adaptive learning rate and beyond (arXiv 1908.03265),
 * Algorithm 2; the threshold 5 is torch's and Optax's.
 * @example
 * const optimizer = new RAdam({ learningRate: 1e-3 });
 */
export class RAdam extends FusedOptimizer {
  static get className() {
    return 'RAdam';
  }

  constructor(options: RAdamOptions) {
    super(
      'RAdam',
      { weightDecay: 0, decoupled: true, hyperparameters: adamHyperparameters, rule: () => rAdam },
      options,
    );
  }
}
