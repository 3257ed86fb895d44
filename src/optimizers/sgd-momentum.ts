import type { Rule } from '../compiler/rule.js';
import { momentumHyperparameters, sgdMomentum } from '../rules/sgd-momentum.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions } from './options.js';
import { flag } from '../schema.js';

export type SGDMomentumOptions = CommonOptions & {
  /** In [0, 1). Default 0.9. */
  readonly momentum?: number;
  /** Looks one step ahead. Default false. */
  readonly nesterov?: boolean;
};

export const momentumRule = ({ nesterov }: SGDMomentumOptions): Rule =>
  sgdMomentum(nesterov === true);

/**
 * Stochastic gradient descent with momentum, as in PyTorch.
 *
 * g <- g + weightDecay w; m <- momentum m + g; w <- w - learningRate m, or with Nesterov w -
 * learningRate (g + momentum m).
 *
 * Weight decay: default 0, added to the gradient. Slots: m, of the variable's shape.
 *
 * @throws for an option that is unknown or out of range.
 * @see Sutskever et al., On the importance of initialization and momentum in deep learning (ICML
 * 2013), section 2.
 * @example
 * const optimizer = new SGDMomentum({ learningRate: 0.1, nesterov: true });
 */
export class SGDMomentum extends FusedOptimizer {
  static get className() {
    return 'SGDMomentum';
  }

  constructor(options: SGDMomentumOptions) {
    super(
      'SGDMomentum',
      {
        weightDecay: 0,
        decoupled: false,
        hyperparameters: { ...momentumHyperparameters, nesterov: flag(false) },
        rule: momentumRule,
      },
      options,
    );
  }
}
