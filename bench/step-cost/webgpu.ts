/** Subjects on tfjs's webgpu backend: what a step costs the script, and what it costs the GPU. */
import * as tf from '@tensorflow/tfjs-core';
import type { FusedOptimizer } from '../../src/optimizers/index.js';
import { bytesOfStep, randomValues } from '../../src/optimizers/measure-step.js';
import { countCalls } from '../../test/webgpu/support/counters.js';
import { startWebGPU, throwIfErrors } from '../support/webgpu.js';
import type { Shape } from './cases.js';
import type { Counts, Round } from './protocol.js';
import type { Running } from './subject.js';

/** An optimizer with variables, and gradients whose buffers stay the same. */
type Training = {
  /** Encodes a step; returns before the device has done it. */
  readonly apply: () => void;
  readonly bytes: () => number | undefined;
};

async function startTraining(
  shapes: readonly Shape[],
  create: () => tf.Optimizer,
): Promise<Training> {
  const gradients: tf.NamedTensorMap = {};
  const variables = shapes.map((shape, i) => {
    const size = tf.util.sizeFromShape([...shape]);
    const [values, gradient] = [-2 - i, i].map((seed) =>
      tf.tensor(randomValues(size, seed), [...shape]),
    );
    const variable = tf.variable(values);
    // The variable alone holds its data, or the first step would copy it.
    values.dispose();
    gradients[variable.name] = gradient;
    return variable;
  });
  const optimizer = create();
  (optimizer as Partial<FusedOptimizer>).prepare?.(variables);
  const apply = (): void => optimizer.applyGradients(gradients);
  // What the first steps upload and compile is none of a step's cost.
  for (let i = 0; i < 3; i++) apply();
  await throwIfErrors();
  const executor = (optimizer as Partial<FusedOptimizer>).executorName ?? 'webgpu';
  if (executor !== 'webgpu') throw new Error(`the ${executor} executor runs in place of webgpu's`);
  return { apply, bytes: () => bytesOfStep(optimizer, variables) };
}

/** Counted over some steps: submits come after every 15 dispatches, wherever a step ends. */
const countedSteps = 3;

export async function startEncoding(
  shapes: readonly Shape[],
  create: () => tf.Optimizer,
): Promise<Running> {
  const device = await startWebGPU();
  const { apply } = await startTraining(shapes, create);
  return {
    step: async () => {
      const start = performance.now();
      apply();
      const milliseconds = performance.now() - start;
      // A device that still works on the step before would hold up the next.
      await throwIfErrors();
      return milliseconds;
    },
    // The step's time is not the device's: bytes by it would be no bandwidth.
    bytes: () => undefined,
    count: async () => {
      const counter = countCalls(device);
      for (let i = 0; i < countedSteps; i++) apply();
      const calls = counter.since();
      counter.stop();
      await throwIfErrors();
      return Object.fromEntries(
        Object.entries(calls).map(([name, count]) => [name, count / countedSteps]),
      ) as Counts;
    },
  };
}

export async function startOnGPU(
  shapes: readonly Shape[],
  create: () => tf.Optimizer,
): Promise<Running> {
  await startWebGPU();
  const { apply, bytes } = await startTraining(shapes, create);
  return { ...timedTogether(apply, throwIfErrors), bytes };
}

/** Larger than the caches of GPUs, and within what every device allows. */
const copiedBytes = 2 ** 28;

/** The bandwidth that the device itself gets out of its memory. */
export async function startCopying(): Promise<Running> {
  const device = await startWebGPU();
  const size = Math.min(copiedBytes, device.limits.maxBufferSize);
  const buffer = (): GPUBuffer =>
    device.createBuffer({ size, usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
  const [from, to] = [buffer(), buffer()];
  const copy = (): void => {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, 0, to, 0, size);
    device.queue.submit([encoder.finish()]);
  };
  const finished = async (): Promise<void> => {
    await device.queue.onSubmittedWorkDone();
    await throwIfErrors();
  };
  // Both are read and written.
  return { ...timedTogether(copy, finished), bytes: () => 2 * size };
}

/** Steps that are encoded before the script waits: the queue must not grow without bound. */
const mostSteps = 1000;

/**
 * The device is only done when the queue says so, and its answer takes a while: as many steps
 * together as fill a round.
 */
function timedTogether(
  encode: () => void,
  finished: () => Promise<void>,
): Pick<Running, 'step' | 'round'> {
  const steps = async (count: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < count; i++) encode();
    await finished();
    return (performance.now() - start) / count;
  };
  return {
    step: () => steps(1),
    round: async (milliseconds, last): Promise<Round> => {
      const wanted = (time: number): number =>
        Math.min(mostSteps, Math.max(1, Math.ceil(milliseconds / time)));
      // The first steps tell how many are enough: one alone is mostly the wait for the answer.
      const estimate = await steps(Math.min(10, wanted(last)));
      const count = wanted(estimate);
      return { steps: count, milliseconds: await steps(count) };
    },
  };
}
