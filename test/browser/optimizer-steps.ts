/** Every optimizer on a small network, through saving, loading and changes of the backend. */
import * as tf from '@tensorflow/tfjs-core';
import type { FusedOptimizer } from '../../src/optimizers/index.js';
import { caseNamed } from '../support/optimizers.js';
import { numbers } from './steps';

/** What became of the network, or why it could not be trained. */
export type Outcome = {
  readonly executors: readonly string[];
  readonly weights: readonly (readonly number[])[];
  /** What the network gives, computed by fused operations on the last backend. */
  readonly outputs: readonly number[];
  readonly epsilon: unknown;
  readonly error?: string;
};

const shapes = { kernel: [3, 3, 2, 4], convBias: [4], dense: [16, 3], bias: [3] };

const valuesOf = (shape: readonly number[], seed: number): tf.Tensor =>
  tf.tensor(
    numbers(
      shape.reduce((a, b) => a * b),
      seed,
    ),
    [...shape],
  );

/**
 * A convolution, then a dense layer. The wasm backend has no gradient of a convolution: the loss goes
 * by the kernel itself.
 */
class Network {
  readonly #x = valuesOf([2, 4, 4, 2], 1) as tf.Tensor4D;
  readonly #y = valuesOf([4, 3], 2);
  readonly variables: readonly tf.Variable[];

  constructor(run: string) {
    this.variables = Object.entries(shapes).map(([name, shape], i) =>
      tf.tidy(() => tf.variable(tf.mul(valuesOf(shape, 3 + i), 0.5), true, `${run}/${name}`)),
    );
  }

  /** What layers compute to predict, by fused operations. */
  outputs(): tf.Tensor {
    const [filter, bias, dense, denseBias] = this.variables as never[];
    const hidden = tf.fused.conv2d({ x: this.#x, filter, bias, strides: 1, pad: 'valid' });
    const a = tf.reshape(tf.tanh(hidden), [2, 16]) as tf.Tensor2D;
    return tf.fused.matMul({ a, b: dense, bias: denseBias });
  }

  loss(): tf.Scalar {
    const [kernel, convBias, dense, bias] = this.variables;
    const hidden = tf.reshape(this.#x, [4, 16]);
    const outputs = tf.add(tf.matMul(hidden, dense as tf.Tensor2D), bias);
    const error = tf.mean(tf.square(tf.sub(outputs, this.#y)));
    return tf.add(error, tf.mean(tf.square(tf.add(kernel, convBias))));
  }

  dispose(): void {
    tf.dispose([this.#x, this.#y, [...this.variables]]);
  }
}

async function use(backend: string): Promise<void> {
  if (!(await tf.setBackend(backend))) throw new Error(`the ${backend} backend does not start`);
}

/** Saves the state of an optimizer and loads it into another. */
async function handOver(from: FusedOptimizer, to: FusedOptimizer): Promise<void> {
  const weights = await from.getWeights();
  await to.setWeights(weights);
  weights.forEach(({ tensor }) => tensor.dispose());
  from.dispose();
}

/**
 * Two steps on each of the backends in turn, with an optimizer of test/support/optimizers.ts; the
 * state is saved and loaded in between.
 */
export async function trainCase(
  name: string,
  backends: readonly string[],
  options: {
    readonly epsilon?: number;
    readonly clipNorm?: number;
    readonly executor?: 'ops';
  } = {},
): Promise<Outcome> {
  const { make, rates } = caseNamed(name);
  await use(backends[0]);
  const tensors = tf.memory().numTensors;
  const network = new Network(`${name}, ${backends.join(' ')}, ${tensors}`);
  const variables = [...network.variables];
  let optimizer = make({ ...rates, ...options });
  const executors: string[] = [];
  let error: string | undefined;
  try {
    for (const backend of backends) {
      await use(backend);
      executors.push(optimizer.executorName);
      for (let step = 0; step < 2; step++)
        optimizer.minimize(() => network.loss(), false, variables);
      const next = make({ ...rates, ...options });
      await handOver(optimizer, next);
      optimizer = next;
    }
  } catch (caught) {
    error = (caught as Error).message;
  }
  const weights = await Promise.all(variables.map(async (one) => [...(await one.data())]));
  const output = tf.tidy(() => network.outputs());
  const outputs = [...(await output.data())];
  const { epsilon } = optimizer.hyperparameters;
  output.dispose();
  optimizer.dispose();
  network.dispose();
  return { executors, weights, outputs, epsilon, error };
}
