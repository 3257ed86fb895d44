import { lionA } from '../rules/lion-a.js';
import { lionAR, type LionARForm } from '../rules/lion-ar.js';
import { correctionNumbers } from './correction.js';
import { rate, rateAt, type LearningRate } from './learning-rate.js';
import { lionAHyperparameters, type LionAOptions } from './lion-a.js';
import { FusedOptimizer } from './optimizer.js';
import type { Options } from './options.js';
import { checkRotates, rotation } from './rotates.js';
import { flag, oneOf } from '../schema.js';

export type LionAROptions = LionAOptions & {
  /**
   * Radians a step, a number in [0, Infinity) or a schedule, in place of the angle derived from
   * learningRate and weightDecay.
   */
  readonly rotation?: LearningRate;
  /** Whose equilibrium the derived angle is: 'adamw' or 'lion'. Default 'adamw'. */
  readonly equilibriumRate?: 'adamw' | 'lion';
  /**
   * True to turn by exactly the angle, false by its arc tangent, as the rotational variants do.
   * Default false. A factor f of `rrc` multiplies the tangent: atan(f tan(angle)).
   */
  readonly exactAngle?: boolean;
  /** Updates and weights without their mean. Default false. */
  readonly zeroMean?: boolean;
  /** One angle for each neuron; else one for the tensor. Default true. */
  readonly perNeuron?: boolean;
};

/**
 * Rotational LionA: each weight vector keeps its norm and turns by the same angle in every step,
 * the first included.
 *
 * p = sign(c) - w (sign(c).w) / |w|^2; w <- N (w - theta N p / |p|) / |w - theta N p / |p||, N the
 * norm at the start and
 * theta = f_t sqrt(2 learningRate weightDecay (1 - beta) / (1 + beta)), or f_t `rotation`. c, m and
 * f_t as in LionA.
 *
 * Variables that do not rotate (biases, gains, whatever has neither decay nor a given rotation)
 * take LionA's step. Weight decay: default 0.1; it enters the angle only. Slots: m, of the
 * variable's shape, and one norm a neuron.
 *
 * A reconstruction: of the paper only abstract and captions could be read; the step is that of the
 * rotational variants.
 *
 * @throws for an option that is unknown or out of range; at the first step, if no variable rotates.
 * @see Kosson, Messmer, Jaggi, Analyzing and reducing the need for learning rate warmup in GPT
 * training (arXiv 2410.23922).
 * @example
 * const optimizer = new LionAR({ learningRate: 3e-3, rotation: 0.04 });   // no warmup schedule
 */
export class LionAR extends FusedOptimizer {
  static get className() {
    return 'LionAR';
  }

  constructor(options: LionAROptions) {
    super(
      'LionAR',
      {
        weightDecay: 0.1,
        decoupled: true,
        hyperparameters: {
          ...lionAHyperparameters(),
          rotation: rate,
          equilibriumRate: oneOf('adamw', 'lion'),
          exactAngle: flag(false),
          zeroMean: flag(false),
          perNeuron: flag(true),
        },
        numbers: (complete: LionAROptions, step) => ({
          ...correctionNumbers(complete, step),
          ...(complete.rotation !== undefined && {
            rotation: rateAt('LionAR', 'rotation', complete.rotation, step),
          }),
        }),
        rule: (complete: Options & LionARForm) => lionA(complete),
        rotation(complete: Options & LionARForm) {
          const form = { ...complete, givenRotation: complete.rotation !== undefined };
          return rotation('LionAR', lionAR(form), form);
        },
        checkFirst: checkRotates('LionAR'),
      },
      options,
    );
  }
}
