import { giAdam } from '../rules/gi-adam.js';
import { adamHyperparameters, type AdamWOptions } from './adamw.js';
import { FusedOptimizer } from './optimizer.js';

export type GIAdamOptions = AdamWOptions;

/**
 * Adam whose second moment starts at the squared first gradient: an automatic warmup that costs nothing.
 *
 * v_0 = g_1^2, then as AdamW with both bias corrections kept: the first update is learningRate sqrt(1 - beta2) in each
 * element, and the factor grows as sqrt(1 - beta2^t).
 *
 * Weight decay: default 0. Slots: m and v, of the variable's shape. The authors draw g_0 from a batch of its own before
 * training; here it is the first training gradient.
 *
 * @throws for an option that is unknown or out of range.
 * @see Kalra and Barkeshli, Why warmup the learning rate? (arXiv 2406.09405), section 6.2, Eqs 9 to 11.
 * @example
 * const optimizer = new GIAdam({ learningRate: 0.02 });   // no warmup schedule
 */
export class GIAdam extends FusedOptimizer {
  static get className() {
    return 'GIAdam';
  }

  constructor(options: GIAdamOptions) {
    super('GIAdam', { weightDecay: 0, decoupled: true, hyperparameters: adamHyperparameters, rule: () => giAdam }, options);
  }
}
