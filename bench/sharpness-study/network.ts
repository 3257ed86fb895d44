import * as tf from '@tensorflow/tfjs-core';
import { matmul } from '../warmup-study/matmul.js';
import { normal } from '../warmup-study/random.js';
import { classes, features, type Images } from './data.js';

/** How the last layer starts: with a standard deviation of sqrt(1 / fan-in) as all others, or of 1 / fan-in as in muP. */
export type Parametrization = 'SP' | 'muP-like';

const hiddenLayers = 3;

/** A fully connected network without biases, ReLU between its layers; its loss is the mean squared error over all images. */
export class Network {
  readonly variables: tf.Variable[];
  readonly #inputs: tf.Tensor2D;
  readonly #targets: tf.Tensor2D;

  constructor(images: Images, parametrization: Parametrization, width: number, seed: number) {
    const next = normal(seed);
    const widths = [features, ...Array.from({ length: hiddenLayers }, () => width), classes];
    this.variables = widths.slice(1).map((outputs, layer) => {
      const inputs = widths[layer];
      const deviation = layer === hiddenLayers && parametrization === 'muP-like' ? 1 / inputs : Math.sqrt(1 / inputs);
      const values = Float32Array.from({ length: inputs * outputs }, () => next() * deviation);
      return tf.tidy(() => tf.variable(tf.tensor2d(values, [inputs, outputs]), true, `${parametrization}/layer${layer + 1}`));
    });
    this.#inputs = tf.tensor2d(images.inputs, [images.samples, features]);
    this.#targets = tf.tensor2d(images.targets, [images.samples, classes]);
  }

  readonly loss = (): tf.Scalar => {
    const output = this.variables.reduce((x, weights, layer) => matmul(layer > 0 ? tf.relu(x) : x, weights as unknown as tf.Tensor2D), this.#inputs);
    return tf.mul(0.5, tf.mean(tf.sum(tf.squaredDifference(output, this.#targets), 1)));
  };

  dispose(): void {
    for (const tensor of [...this.variables, this.#inputs, this.#targets]) tensor.dispose();
  }
}
