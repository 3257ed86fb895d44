/** Learnable gains: they give a model back the norms that rotational optimizers keep. */
import { mul, reshape, Tensor, tidy } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import { layoutOf } from '../compiler/layout.js';
import { isListOf, parseOptions, type Option } from '../schema.js';

/** Options of {@link gainedWeight} and {@link weightStd}. */
export type GainedWeightOptions = {
  /**
   * The axis that numbers the neurons, or two axes; negative ones count from the end.
   * @defaultValue the last axis
   */
  readonly neuronAxis?: number | readonly number[];
};

/** Which axes a weight has is checked where its shape is known. */
export const neuronAxisOption: Option = {
  allowed: 'be an axis or a list of axes',
  accepts: (value) => Number.isInteger(value) || isListOf(value, Number.isInteger),
};

/** The neurons of a weight, and the shape in which one value a neuron broadcasts against it. */
export type Neurons = {
  readonly shape: number[];
  readonly neurons: number;
  readonly fanInAxes: number[];
};

/** Throws unless a value is a tensor that can be read. */
export function checkTensor(label: string, name: string, value: unknown): asserts value is Tensor {
  check(value instanceof Tensor, label, name, 'be a tensor', value);
  check(!value.isDisposed, label, name, 'not be disposed', value.shape);
  check(value.dtype === 'float32', label, `the dtype of ${name}`, "be 'float32'", value.dtype);
}

/** The neurons of a weight whose axes `neuronAxis` number them. */
export function neuronsOf(
  label: string,
  w: Tensor,
  neuronAxis: GainedWeightOptions['neuronAxis'] = Math.max(0, w.shape.length - 1),
): Neurons {
  const { shape } = w;
  const { neurons } = layoutOf(label, shape, neuronAxis);
  const axes = new Set([neuronAxis].flat().map((axis) => (axis < 0 ? axis + shape.length : axis)));
  return {
    shape: shape.map((length, axis) => (axes.has(axis) ? length : 1)),
    neurons,
    fanInAxes: [...shape.keys()].filter((axis) => !axes.has(axis)),
  };
}

/** One value a neuron, in the shape that broadcasts against the weight. */
export function perNeuron(
  label: string,
  name: string,
  value: Tensor,
  { shape, neurons }: Neurons,
): Tensor {
  checkTensor(label, name, value);
  const allowed = `have one value for each of the ${neurons} neurons`;
  check(value.size === neurons, label, name, allowed, value.shape);
  return reshape(value, [...shape]);
}

/**
 * A weight times a learnable gain for each output neuron: y = (gain W) x.
 *
 * gainedWeight(w, gain)_ij = gain_j w_ij, j the neuron. A rotational optimizer turns W and keeps its
 * norm; the gain, of rank 1 and without decay, takes the inner rule and learns how large the neuron
 * is to be.
 *
 * @param w - A weight of any rank from 1 on.
 * @param gain - One factor (no unit) a neuron, of any shape with so many values; start it at 1.
 * @param options - See {@link GainedWeightOptions}.
 * @returns A tensor of w's shape; differentiable in w and gain.
 * @throws {Error} if an option is unknown, neuronAxis does not name axes of w, or gain has not one
 * value for each neuron.
 * @see {@link https://arxiv.org/abs/2305.17212 | Kosson, Messmer and Jaggi, Rotational
 * equilibrium}, `SLinear` in its authors' code
 * @example
 * import * as tf from '@tensorflow/tfjs-core';
 * import { gainedWeight } from 'tfjs-warmup/weights';
 *
 * const kernel = tf.variable(tf.tensor2d([[1, 2], [3, 4], [5, 6]]));
 * const gain = tf.variable(tf.tensor1d([1, 0.5]));
 * gainedWeight(kernel, gain).arraySync(); // [[1, 1], [3, 2], [5, 3]]
 *
 * const logits = (x) => tf.matMul(x, gainedWeight(kernel, gain));
 * logits(tf.ones([1, 3])).arraySync(); // [[9, 6]]
 */
export function gainedWeight<T extends Tensor>(
  w: T,
  gain: Tensor,
  options: GainedWeightOptions = {},
): T {
  const label = 'gainedWeight';
  checkTensor(label, 'w', w);
  const schema = { neuronAxis: neuronAxisOption };
  const { neuronAxis } = parseOptions(label, schema, options) as GainedWeightOptions;
  const neurons = neuronsOf(label, w, neuronAxis);
  return tidy(() => mul(w, perNeuron(label, 'gain', gain, neurons)) as T);
}
