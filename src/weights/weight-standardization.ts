/**
 * Weight standardization with a gain: the forward pass sees weights of mean 0 and a chosen size.
 */
import {
  add,
  div,
  maximum,
  mean,
  mul,
  reshape,
  sqrt,
  square,
  sub,
  tidy,
  type Tensor,
} from '@tensorflow/tfjs-core';
import { check, checkNames, checkNumber } from '../check.js';
import { neuronShape, perNeuron, type GainOptions } from './gain.js';

/** Keeps the square root's derivative finite where a neuron's weights are all the same. */
const smallestVariance = 1e-30;

function deviation(w: Tensor, axes: number[]): { centred: Tensor; std: Tensor } {
  const centred = sub(w, mean(w, axes, true));
  return { centred, std: sqrt(maximum(mean(square(centred), axes, true), smallestVariance)) };
}

/**
 * The standard deviation of each neuron's weights, for `standardizedWeight`: take it once, of the
 * initial weights, and keep it with the model.
 *
 * std_j = sqrt(mean_i (w_ij - mean_j)^2), over the fan-in i (not fan-in - 1).
 *
 * @param w A weight of any rank from 1 on.
 * @returns One value for each neuron, of shape [neurons], in the unit of w.
 * @throws if neuronAxis does not name axes of w.
 * @see Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212) and its authors' code,
 * normalization.
 * @example
 * const initialStd = weightStd(kernel);
 */
export function weightStd(w: Tensor, options: GainOptions = {}): Tensor {
  checkNames('weightStd', options, ['neuronAxis']);
  const { fanInAxes, neurons } = neuronShape('weightStd', w, options.neuronAxis);
  return tidy(() => reshape(deviation(w, fanInAxes).std, [neurons]));
}

export type StandardizationOptions = GainOptions & {
  /**
   * The size that weights of gain 1 have: what `weightStd` gave for the initial weights, or one
   * number above 0 for all neurons.
   */
  readonly initialStd: Tensor | number;
  /** Keeps the divisor from zero, in (0, Infinity), in the unit of w. Default 1e-5. */
  readonly epsilon?: number;
};

/**
 * A weight without its mean, of a size that only its gain decides: the forward pass sees just the
 * direction of W, which a rotational optimizer turns.
 *
 * standardizedWeight(w, gain)_ij = gain_j initialStd_j (w_ij - mean_j) / (std_j + epsilon), j the
 * neuron, mean and std over its fan-in. The initial standard deviation is a constant that the
 * caller keeps: a function that is called in every forward pass cannot know which call was the
 * first, and a gain that started at it would not start at 1.
 *
 * @param w A weight of any rank from 1 on.
 * @param gain A factor (no unit) for each neuron, of any shape with so many values; start it at 1.
 * @returns A tensor of w's shape; differentiable in w and gain. A neuron whose weights are all the
 * same gives 0.
 * @throws if neuronAxis does not name axes of w, gain or initialStd has not one value for each
 * neuron, or epsilon is not above 0.
 * @see Qiao et al., Micro-batch training with batch-channel normalization and weight
 * standardization (arXiv 1903.10520);
 * the initial standard deviation and the gain are those of Kosson, Messmer, Jaggi (arXiv
 * 2305.17212), their code.
 * @example
 * const kernel = tf.variable(tf.randomNormal([784, 10], 0, 0.05));
 * const gain = tf.variable(tf.ones([10]));
 * const initialStd = weightStd(kernel);
 * const logits = (x) => tf.matMul(x, standardizedWeight(kernel, gain, { initialStd }));
 */
export function standardizedWeight<T extends Tensor>(
  w: T,
  gain: Tensor,
  options: StandardizationOptions,
): T {
  const label = 'standardizedWeight';
  checkNames(label, options, ['initialStd', 'neuronAxis', 'epsilon']);
  const { initialStd, neuronAxis, epsilon = 1e-5 } = options;
  checkNumber(label, 'epsilon', epsilon, '(0, Infinity)');
  check(
    initialStd !== undefined && initialStd !== null,
    label,
    'initialStd',
    'be a number or what weightStd gave',
    initialStd,
  );
  if (typeof initialStd === 'number') checkNumber(label, 'initialStd', initialStd, '(0, Infinity)');
  const neurons = neuronShape(label, w, neuronAxis);
  return tidy(() => {
    const { centred, std } = deviation(w, neurons.fanInAxes);
    const size =
      typeof initialStd === 'number'
        ? initialStd
        : perNeuron(label, 'initialStd', initialStd, neurons);
    return mul(
      div(centred, add(std, epsilon)),
      mul(perNeuron(label, 'gain', gain, neurons), size),
    ) as T;
  });
}
