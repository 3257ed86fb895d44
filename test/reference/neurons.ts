/**
 * Which elements make up each neuron, counted out one by one, and what is measured of them in
 * float64.
 */

/**
 * The indices of the elements of each neuron; neurons are numbered by `axes`, in the order of the
 * axes.
 */
export function neuronsOf(shape: readonly number[], axes: readonly number[]): number[][] {
  const sorted = [...axes].sort((a, b) => a - b);
  const neurons: number[][] = Array.from(
    { length: sorted.reduce((count, axis) => count * shape[axis], 1) },
    () => [],
  );
  const size = shape.reduce((product, length) => product * length, 1);
  for (let i = 0; i < size; i++) {
    const position: number[] = [];
    for (let axis = shape.length - 1, rest = i; axis >= 0; axis--) {
      position[axis] = rest % shape[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    neurons[sorted.reduce((neuron, axis) => neuron * shape[axis] + position[axis], 0)].push(i);
  }
  return neurons;
}

/** All elements as one neuron. */
export const wholeTensor = (size: number): number[][] => [
  Array.from({ length: size }, (_, i) => i),
];

export const pick = (values: ArrayLike<number>, indices: readonly number[]): number[] =>
  indices.map((i) => values[i]);

export const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i] * y[i];
  return total;
};

export const normOf = (x: ArrayLike<number>): number => Math.sqrt(dot(x, x));

export const meanOf = (x: readonly number[]): number =>
  x.reduce((total, value) => total + value, 0) / x.length;

export const centred = (x: readonly number[]): number[] => {
  const mean = meanOf(x);
  return x.map((value) => value - mean);
};

/** The angle between two vectors; the chord form keeps its digits where acos loses them. */
export function angleBetween(x: readonly number[], y: readonly number[]): number {
  const [nx, ny] = [normOf(x), normOf(y)];
  return 2 * Math.asin(Math.min(1, normOf(x.map((value, i) => value / nx - y[i] / ny)) / 2));
}
