/** Weight standardization: the forward pass sees weights of mean 0, of the size of their gain. */
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
  Tensor,
  tidy,
} from '@tensorflow/tfjs-core';
import { checkFloat32, checkNumber } from '../check.js';
import { parseOptions, within } from '../schema.js';
import {
  checkTensor,
  neuronAxisOption,
  neuronsOf,
  perNeuron,
  type GainedWeightOptions,
} from './gain.js';

/** Keeps the square root's derivative finite where a neuron's weights are all the same. */
const smallestVariance = 1e-30;

function deviation(w: Tensor, axes: number[]): { centered: Tensor; std: Tensor } {
  const centered = sub(w, mean(w, axes, true));
  return { centered, std: sqrt(maximum(mean(square(centered), axes, true), smallestVariance)) };
}

/**
 * The standard deviation of each neuron's weights, for {@link standardizedWeight}: take it once, of
 * the initial weights, and keep it with the model.
 *
 * std_j = sqrt(mean_i (w_ij - mean_j)^2), over the fan-in i (not fan-in - 1).
 *
 * @param w - A weight of any rank from 1 on.
 * @param options - See {@link GainedWeightOptions}.
 * @returns One value for each neuron, of shape [neurons], in the unit of w.
 * @throws {Error} if an option is unknown or neuronAxis does not name axes of w.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson, Messmer and Jaggi, Rotational
 * equilibrium}, and its authors' code, normalization
 * @example
 * import * as tf from '@tensorflow/tfjs-core';
 * import { weightStd } from 'tfjs-warmup/weights';
 *
 * const kernel = tf.variable(tf.tensor2d([[1, 0], [3, 8]]));
 * weightStd(kernel).arraySync(); // [1, 4]
 */
export function weightStd(w: Tensor, options: GainedWeightOptions = {}): Tensor {
  const label = 'weightStd';
  checkTensor(label, 'w', w);
  const schema = { neuronAxis: neuronAxisOption };
  const { neuronAxis } = parseOptions(label, schema, options) as GainedWeightOptions;
  const { fanInAxes, neurons } = neuronsOf(label, w, neuronAxis);
  return tidy(() => reshape(deviation(w, fanInAxes).std, [neurons]));
}

/** Options of {@link standardizedWeight}. */
export type StandardizationOptions = GainedWeightOptions & {
  /**
   * The size that weights of gain 1 have: what {@link weightStd} gave for the initial weights, or
   * one number above 0 for all neurons.
   */
  readonly initialStd: Tensor | number;
  /**
   * Keeps the divisor from zero, in (0, Infinity), in the unit of w.
   * @defaultValue 1e-5
   */
  readonly epsilon?: number;
};

const schema = {
  initialStd: {
    required: true,
    allowed: 'be a number or what weightStd gave',
    accepts: (value: unknown) => typeof value === 'number' || value instanceof Tensor,
  },
  neuronAxis: neuronAxisOption,
  epsilon: /* @__PURE__ */ within('(0, Infinity)', 1e-5),
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
 * @param w - A weight of any rank from 1 on.
 * @param gain - One factor (no unit) a neuron, of any shape with so many values; start it at 1.
 * @param options - See {@link StandardizationOptions}.
 * @returns A tensor of w's shape; differentiable in w and gain. A neuron whose weights are all the
 * same gives 0.
 * @throws {Error} if an option is unknown, missing or out of range, neuronAxis does not name axes
 * of w, or gain or initialStd has not one value for each neuron.
 * @see {@link https://arxiv.org/abs/1903.10520 | Qiao et al., Micro-batch training with
 * batch-channel normalization and weight standardization}
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson, Messmer and Jaggi, Rotational
 * equilibrium}, their code, for the initial standard deviation and the gain
 * @example
 * import * as tf from '@tensorflow/tfjs-core';
 * import { standardizedWeight, weightStd } from 'tfjs-warmup/weights';
 *
 * const kernel = tf.variable(tf.tensor2d([[1, 0], [3, 8]]));
 * const gain = tf.variable(tf.ones([2]));
 * const initialStd = weightStd(kernel); // once, of the initial weights
 * const weight = standardizedWeight(kernel, gain, { initialStd });
 * tf.round(weight).arraySync(); // [[-1, -4], [1, 4]]
 *
 * const logits = (x) => tf.matMul(x, standardizedWeight(kernel, gain, { initialStd }));
 */
export function standardizedWeight<T extends Tensor>(
  w: T,
  gain: Tensor,
  options: StandardizationOptions,
): T {
  const label = 'standardizedWeight';
  checkTensor(label, 'w', w);
  const { initialStd, neuronAxis, epsilon } = parseOptions(
    label,
    schema,
    options,
  ) as StandardizationOptions & { readonly epsilon: number };
  checkFloat32(label, 'epsilon', epsilon);
  if (typeof initialStd === 'number') {
    checkNumber(label, 'initialStd', initialStd, '(0, Infinity)');
    checkFloat32(label, 'initialStd', initialStd);
  }
  const neurons = neuronsOf(label, w, neuronAxis);
  return tidy(() => {
    const { centered, std } = deviation(w, neurons.fanInAxes);
    const size =
      typeof initialStd === 'number'
        ? initialStd
        : perNeuron(label, 'initialStd', initialStd, neurons);
    return mul(
      div(centered, add(std, epsilon)),
      mul(perNeuron(label, 'gain', gain, neurons), size),
    ) as T;
  });
}
