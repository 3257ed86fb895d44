import type * as tf from '@tensorflow/tfjs-core';
import { SGDMomentum } from '../../src/optimizers/index.js';
import { ProbeRecorder, sharpness } from '../../src/probes/index.js';
import { constant, linearWarmup, type Schedule } from '../../src/schedules/index.js';
import type { Images } from './data.js';
import { hasDiverged } from './events.js';
import { nameOf, type Experiment } from './experiments.js';
import { Network } from './network.js';

export interface Setup {
  images: Images;
  width: number;
  seed: number;
  /** Steps of a run that does not diverge. */
  steps: number;
  /**
   * Steps between two measurements of the sharpness, on the first `earlySteps`; later twice as
   * many.
   */
  every: number;
}

/** By then warmups and catapults are mostly over. */
export const earlySteps = 100;

const measuresAt = (step: number, every: number): boolean =>
  step % (step < earlySteps ? every : 2 * every) === 0;

export interface Training {
  initialSharpness: number;
  peakRate: number;
  /** Of each step `loss` and `learningRate`, of some also `sharpness`, all before the update. */
  recorder: ProbeRecorder;
}

/**
 * The peak rate follows from the first sharpness: it is measured more exactly than those that are
 * only drawn.
 */
const firstTolerance = 1e-3;

/** The error of the value is of the order of the square of it. */
const tolerance = 1e-2;

/**
 * Gradient descent on all images at once; the weights and the sharpness that it starts with are the
 * seed's.
 */
export async function train(
  experiment: Experiment,
  setup: Setup,
  onStep: (step: number, loss: number) => void,
): Promise<Training> {
  const { images, width, seed } = setup;
  const network = new Network(images, experiment.parametrization, width, seed);
  try {
    return await descend(network, experiment, setup, onStep);
  } finally {
    network.dispose();
  }
}

async function descend(
  { loss, variables }: Network,
  experiment: Experiment,
  { steps, every }: Setup,
  onStep: (step: number, loss: number) => void,
): Promise<Training> {
  const recorder = new ProbeRecorder({ name: nameOf(experiment), kind: 'gd' });
  let measured = await sharpness(loss, variables, { tolerance: firstTolerance });
  const initialSharpness = measured.value;
  const peakRate = experiment.c / initialSharpness;
  const learningRate = scheduleOf(experiment, peakRate);
  const optimizer = new SGDMomentum({ learningRate, momentum: 0 });
  try {
    let firstLoss: number | undefined;
    for (let step = 0; step < steps; step++) {
      const measures = measuresAt(step, every);
      if (measures && step > 0)
        measured = await sharpness(loss, variables, { tolerance, start: measured.vector });
      const rate = optimizer.currentLearningRate;
      const value = await minimized(optimizer, loss, variables);
      recorder.log(step, {
        loss: value,
        learningRate: rate,
        ...(measures && { sharpness: measured.value }),
      });
      onStep(step, value);
      firstLoss ??= value;
      if (hasDiverged(value, firstLoss)) break;
    }
    return { initialSharpness, peakRate, recorder };
  } finally {
    optimizer.dispose();
  }
}

const scheduleOf = ({ warmupSteps }: Experiment, peak: number): Schedule =>
  warmupSteps > 0 ? linearWarmup({ peak, warmupSteps }) : constant(peak);

/** Does one step; gives the loss before it. */
async function minimized(
  optimizer: SGDMomentum,
  loss: () => tf.Scalar,
  variables: tf.Variable[],
): Promise<number> {
  const cost = optimizer.minimize(loss, true, variables)!;
  const [value] = await cost.data();
  cost.dispose();
  return value;
}
