import { lion, lionHyperparameters } from '../rules/lion.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions } from './options.js';

export type LionOptions = CommonOptions & {
  /** Weight of the momentum in the update's direction, in [0, 1). Default 0.9. */
  readonly beta1?: number;
  /** Decay rate of the momentum, in [0, 1). Default 0.99. */
  readonly beta2?: number;
};

/**
 * Lion: every element moves by the learning rate, in the direction of a sign.
 *
 * w <- (1 - learningRate weightDecay) w - learningRate sign(beta1 m + (1 - beta1) g); m <- beta2 m
 * + (1 - beta2) g.
 *
 * Weight decay: default 0.1. Slots: m, of the variable's shape. sign(0) = 0. Learning rates are 3
 * to 10 times smaller than AdamW's, weight decays as much larger.
 *
 * @throws for an option that is unknown or out of range.
 * @see Chen et al., Symbolic discovery of optimization algorithms (arXiv 2302.06675), Algorithm 2.
 * @example
 * const optimizer = new Lion({ learningRate: 1e-4, weightDecay: 1 });
 */
export class Lion extends FusedOptimizer {
  static get className() {
    return 'Lion';
  }

  constructor(options: LionOptions) {
    super(
      'Lion',
      {
        weightDecay: 0.1,
        decoupled: true,
        hyperparameters: lionHyperparameters,
        rule: () => lion,
      },
      options,
    );
  }
}
