/** Steps with numbers that are not finite, on the current backend. */
import * as tf from '@tensorflow/tfjs-core';
import { SGDMomentum, UpdateProbe } from '../../src/index.js';
import { numbers } from './numbers.js';
import { caseNamed } from './optimizers.js';

type Choice = 'auto' | 'ops';

let runs = 0;

const variableOf = (values: ArrayLike<number>, shape: number[], name: string): tf.Variable =>
  tf.tidy(() => tf.variable(tf.tensor(Float32Array.from(values), shape), true, `${name}${runs++}`));

/** The element whose gradient is not finite in the second of four steps. */
export const wrongElement = 5;

/** The weights of a matrix of shape [4, 3] after a gradient with a wrong element, and two others. */
export async function weightsAfter(
  name: string,
  wrong: number,
  executor: Choice = 'auto',
): Promise<number[]> {
  const { make, rates } = caseNamed(name);
  const w = variableOf(numbers(12, 1), [4, 3], 'w');
  const optimizer = make({ ...rates, executor });
  for (let step = 0; step < 4; step++) {
    const values = numbers(12, 2 + step);
    if (step === 1) values[wrongElement] = wrong;
    const tensor = tf.tensor(values, [4, 3]);
    optimizer.applyGradients([{ name: w.name, tensor }]);
    tensor.dispose();
  }
  const weights = [...(await w.data())];
  optimizer.dispose();
  w.dispose();
  return weights;
}

/** One step of gradient descent at a rate of 1 from 0, clipped: where it arrives, and the factor. */
export async function clipped(
  gradients: Readonly<Record<string, readonly number[]>>,
  executor: Choice = 'auto',
): Promise<{ readonly moves: Record<string, number[]>; readonly factor: number }> {
  const variables = Object.entries(gradients).map(([name, values]) => {
    const zeros = values.map(() => 0);
    return { variable: variableOf(zeros, [zeros.length], name), name, values };
  });
  const probe = new UpdateProbe({ metrics: ['updateNorm'] });
  const options = { learningRate: 1, momentum: 0, clipNorm: 1, probe, executor };
  const optimizer = new SGDMomentum(options);
  const given = variables.map(({ variable, values }) => ({
    name: variable.name,
    tensor: tf.tensor1d([...values]),
  }));
  optimizer.applyGradients(given);
  const [{ clipCoefficient: factor }] = await probe.read();
  const moves: Record<string, number[]> = {};
  for (const { variable, name } of variables) moves[name] = [...(await variable.data())];
  optimizer.dispose();
  tf.dispose([given.map(({ tensor }) => tensor), variables.map(({ variable }) => variable)]);
  return { moves, factor };
}
