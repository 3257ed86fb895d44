/** Learnable gains: they give a model back the norms that rotational optimizers keep. */
import { mul, reshape, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { check, checkNames } from '../check.js';
import { layoutOf } from '../compiler/layout.js';

export type GainOptions = {
  /** The axis that numbers the neurons, or two axes. Default: the last. */
  readonly neuronAxis?: number | readonly number[];
};

/** The shape in which one value a neuron broadcasts against the weight. */
export function neuronShape(
  label: string,
  { shape }: Tensor,
  neuronAxis: number | readonly number[] = Math.max(0, shape.length - 1),
): { shape: number[]; neurons: number; fanInAxes: number[] } {
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
  { shape, neurons }: { readonly shape: readonly number[]; readonly neurons: number },
): Tensor {
  check(
    value.size === neurons,
    label,
    name,
    `have one value for each of the ${neurons} neurons`,
    value.shape,
  );
  return reshape(value, [...shape]);
}

/**
 * A weight times a learnable gain for each output neuron: y = (gain W) x. A rotational optimizer
 * turns W and keeps its norm; the gain, of rank 1 and without decay, takes the inner rule and
 * learns how large the neuron is to be.
 *
 * gainedWeight(w, gain)_ij = gain_j w_ij, j the neuron.
 *
 * @param w A weight of any rank from 1 on.
 * @param gain A factor (no unit) for each neuron, of any shape with so many values; start it at 1.
 * @returns A tensor of w's shape; differentiable in w and gain.
 * @throws if neuronAxis does not name axes of w, or gain has not one value for each neuron.
 * @see Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212); `SLinear` in its authors'
 * code.
 * @example
 * const kernel = tf.variable(tf.randomNormal([784, 10], 0, 0.05));
 * const gain = tf.variable(tf.ones([10]));
 * const logits = (x) => tf.matMul(x, gainedWeight(kernel, gain));
 */
export function gainedWeight<T extends Tensor>(w: T, gain: Tensor, options: GainOptions = {}): T {
  checkNames('gainedWeight', options, ['neuronAxis']);
  const neurons = neuronShape('gainedWeight', w, options.neuronAxis);
  return tidy(() => mul(w, perNeuron('gainedWeight', 'gain', gain, neurons)) as T);
}
