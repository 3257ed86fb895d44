import * as tf from '@tensorflow/tfjs-core';
import { matmul } from '../support/matmul.js';
import { normal } from '../support/random.js';
import { classes, features, type Images } from './data.js';
import { productWith } from './product-with-constant.js';

/**
 * How the last layer starts: with a standard deviation of sqrt(1 / fan-in), or of 1 / fan-in as in
 * muP. All others: sqrt(2 / fan-in).
 */
export type Parametrization = 'SP' | 'muP-like';

const lastDeviation: Record<Parametrization, (fanIn: number) => number> = {
  SP: (fanIn) => Math.sqrt(1 / fanIn),
  'muP-like': (fanIn) => 1 / fanIn,
};

const hiddenLayers = 3;

/**
 * A fully connected network without biases, ReLU between its layers; its loss is taken over all
 * images at once.
 */
export class Network {
  readonly variables: tf.Variable[];
  readonly #inputs: tf.Tensor2D;
  readonly #transposedInputs: tf.Tensor2D;
  readonly #targets: tf.Tensor2D;

  constructor(
    { samples, inputs, targets }: Images,
    parametrization: Parametrization,
    width: number,
    seed: number,
  ) {
    const next = normal(seed);
    const widths = [features, ...Array.from({ length: hiddenLayers }, () => width), classes];
    this.variables = widths.slice(1).map((fanOut, layer) => {
      const fanIn = widths[layer];
      const deviation =
        layer < hiddenLayers ? Math.sqrt(2 / fanIn) : lastDeviation[parametrization](fanIn);
      const values = Float32Array.from({ length: fanIn * fanOut }, () => next() * deviation);
      return tf.tidy(() => tf.variable(tf.tensor2d(values, [fanIn, fanOut])));
    });
    this.#inputs = tf.tensor2d(inputs, [samples, features]);
    this.#transposedInputs = tf.transpose(this.#inputs);
    this.#targets = tf.tensor2d(targets, [samples, classes]);
  }

  /** Half the squared distance to the target, mean over the images. */
  readonly loss = (): tf.Scalar => {
    const [first, ...later] = this.variables as unknown as tf.Tensor2D[];
    const output = later.reduce(
      (x, weights) => matmul(tf.relu(x), weights),
      productWith(this.#inputs, this.#transposedInputs)(first),
    );
    return tf.mul(0.5, tf.mean(tf.sum(tf.squaredDifference(output, this.#targets), 1)));
  };

  dispose(): void {
    for (const tensor of [...this.variables, this.#inputs, this.#transposedInputs, this.#targets])
      tensor.dispose();
  }
}
