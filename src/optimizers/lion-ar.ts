import { lionA } from '../rules/lion-a.js';
import { lionAR, type LionARForm } from '../rules/lion-ar.js';
import { checkRotation } from '../rules/rotation.js';
import { correctionStepValues } from './correction-option.js';
import { rate, rateAt, type LearningRate } from './learning-rate.js';
import { lionAHyperparameters, type LionAOptions } from './lion-a.js';
import { FusedOptimizer } from './optimizer.js';
import type { Options } from './options.js';
import { checkSomeRotate, rotationBy } from './rotated-variables.js';
import { flag, oneOf } from '../schema.js';

/** Options of {@link LionAR}. */
export type LionAROptions = LionAOptions & {
  /**
   * Radians a step, a number in [0, Infinity) or a schedule. It takes the place of the learning
   * rate for what rotates: a group's `learningRateScale` multiplies it, `learningRate` does not
   * enter.
   * @defaultValue derived from learningRate and weightDecay
   */
  readonly rotation?: LearningRate;
  /**
   * Whose equilibrium the derived angle is: 'adamw' or 'lion'.
   * @defaultValue 'adamw'
   */
  readonly equilibriumRate?: 'adamw' | 'lion';
  /**
   * True to turn by exactly the angle, false by its arc tangent, as the rotational variants do. A
   * factor f of `rrc` multiplies the tangent: atan(f tan(angle)).
   * @defaultValue false
   */
  readonly exactAngle?: boolean;
  /**
   * Updates and weights without their mean.
   * @defaultValue false
   */
  readonly zeroMean?: boolean;
  /**
   * One angle for each neuron; else one for the tensor.
   * @defaultValue true
   */
  readonly perNeuron?: boolean;
};

/**
 * Rotational LionA: each weight vector keeps its norm and turns by the same angle in every step,
 * the first included.
 *
 * p = sign(c) - w (sign(c).w) / |w|^2;
 * w <- N (w - theta N p / |p|) / |w - theta N p / |p||, N the norm at the start and
 * theta = f_t sqrt(2 learningRate weightDecay (1 - beta) / (1 + beta)), or f_t `rotation`.
 * c, m and f_t as in LionA.
 *
 * Variables that do not rotate (biases, gains, whatever has neither decay nor a given rotation)
 * take LionA's step. Weight decay: 0.1 by default; it enters the angle only. Slots: m, of the
 * variable's shape, and one norm a neuron.
 *
 * A reconstruction: of the paper only abstract and captions could be read; the step is that of the
 * rotational variants.
 *
 * @param options - See {@link LionAROptions}.
 * @throws {Error} if an option is unknown or out of range; at the first step, if no variable rotates.
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer, Jaggi, Analyzing and reducing the
 * need for learning rate warmup in GPT training}
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { LionAR } from 'tfjs-warmup/optimizers';
 *
 * const kernel = tf.variable(tf.ones([4, 3]), true, 'kernel');
 * const bias = tf.variable(tf.zeros([3]), true, 'bias');
 * const x = tf.tensor2d([[3, -1, 2, -4]]);
 * const optimizer = new LionAR({ learningRate: 3e-3, rotation: 0.04 });
 * optimizer.minimize(() => tf.sum(tf.add(tf.matMul(x, kernel), bias)));
 * optimizer.describe().map(({ rotational }) => rotational); // [true, false]
 * tf.norm(kernel).dataSync()[0].toFixed(3); // '3.464'
 */
export class LionAR extends FusedOptimizer {
  static get className() {
    return 'LionAR';
  }

  constructor(options: LionAROptions) {
    super(
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
        stepValues: correctionStepValues,
        rates: ({ rotation }: LionAROptions, step, label): Record<string, number> =>
          rotation === undefined ? {} : { rotation: rateAt(label, 'rotation', rotation, step) },
        rule: (complete: Options & LionARForm) => lionA(complete),
        rotation(complete: Options & LionARForm, label) {
          const { rotation } = complete;
          if (typeof rotation === 'number') checkRotation(label, rotation);
          const settings = { ...complete, givenRotation: rotation !== undefined };
          return rotationBy(label, lionAR(settings), settings);
        },
        checkFirst: checkSomeRotate,
      },
      options,
    );
  }
}
