/**
 * How the elements of a tensor belong to neurons: the tensor seen as five axes, of which the second
 * and the fourth number the neurons.
 */
import { check, show } from '../check.js';

/**
 * The sizes of the view [before, neuronsOuter, between, neuronsInner, after]. For one axis
 * neuronsOuter = between = 1.
 */
export type Layout = {
  readonly before: number;
  readonly neuronsOuter: number;
  readonly between: number;
  readonly neuronsInner: number;
  readonly after: number;
  readonly size: number;
  readonly neurons: number;
  readonly fanIn: number;
};

const product = (sizes: readonly number[]): number =>
  sizes.reduce((total, size) => total * size, 1);

/**
 * The view of a tensor whose neurons are numbered by one axis or by two; adjacent axes count as
 * one. A tensor of rank 0 is one neuron of one element.
 */
export function layoutOf(
  label: string,
  shape: readonly number[],
  neuronAxis: number | readonly number[],
): Layout {
  const axes = (typeof neuronAxis === 'number' ? [neuronAxis] : [...neuronAxis])
    .map((axis) => (axis < 0 ? axis + shape.length : axis))
    .sort((a, b) => a - b);
  check(
    axes.length >= 1 &&
      axes.length <= 2 &&
      axes.every(
        (axis, i) =>
          Number.isInteger(axis) &&
          axis >= 0 &&
          axis < Math.max(1, shape.length) &&
          axis !== axes[i - 1],
      ),
    label,
    'neuronAxis',
    `name one axis or two different ones of the shape ${show(shape)}`,
    neuronAxis,
  );
  const [first, last] = [axes[0], axes.at(-1)!];
  const adjacent = last - first <= 1;
  const size = product(shape);
  const neurons = product(axes.map((axis) => shape[axis] ?? 1));
  return {
    before: product(shape.slice(0, first)),
    neuronsOuter: adjacent ? 1 : shape[first],
    between: adjacent ? 1 : product(shape.slice(first + 1, last)),
    neuronsInner: adjacent ? neurons : shape[last],
    after: product(shape.slice(last + 1)),
    size,
    neurons,
    fanIn: product(shape.filter((_, axis) => !axes.includes(axis))),
  };
}
