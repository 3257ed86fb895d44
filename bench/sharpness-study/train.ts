import { SGDMomentum } from '../../src/optimizers/sgd-momentum.js';
import { ProbeRecorder } from '../../src/probes/probe-recorder.js';
import { sharpness } from '../../src/probes/sharpness.js';
import { constant, linearWarmup } from '../../src/schedules/index.js';
import type { Images } from './data.js';
import { Network, type Parametrization } from './network.js';

/** One training by gradient descent at the learning rate c / lambda_0, lambda_0 the sharpness of the first weights. */
export interface Experiment {
  name: string;
  parametrization: Parametrization;
  c: number;
  warmupSteps: number;
}

export interface Run extends Experiment {
  initialSharpness: number;
  peakRate: number;
  /** The step at which the loss was no longer below 1000 times the first one. */
  divergedAt?: number;
  recorder: ProbeRecorder;
  seconds: number;
}

export interface Setup {
  images: Images;
  width: number;
  seed: number;
  steps: number;
  /** Steps between two measurements of the sharpness. */
  every: number;
}

/** A quarter of a percent is plenty for a plot. */
const tolerance = 1e-3;

/** Trains, and follows the loss at every step and the sharpness at every few. */
export async function train(experiment: Experiment, { images, width, seed, steps, every }: Setup, onStep: (step: number, loss: number) => void): Promise<Run> {
  const { name, parametrization, c, warmupSteps } = experiment;
  const start = performance.now();
  const network = new Network(images, parametrization, width, seed);
  const { loss, variables } = network;
  const first = await sharpness(loss, variables, { tolerance });
  const peakRate = c / first.value;
  const schedule = warmupSteps > 0 ? linearWarmup({ peak: peakRate, warmupSteps }) : constant(peakRate);
  const optimizer = new SGDMomentum({ learningRate: schedule, momentum: 0 });
  const recorder = new ProbeRecorder({ name });
  const run: Run = { ...experiment, initialSharpness: first.value, peakRate, recorder, seconds: 0 };
  try {
    let { vector } = first;
    let firstLoss = NaN;
    for (let step = 0; step < steps && run.divergedAt === undefined; step++) {
      const measured = step % every === 0 ? await sharpness(loss, variables, { tolerance, start: vector }) : undefined;
      vector = measured?.vector ?? vector;
      const cost = optimizer.minimize(loss, true, variables)!;
      const [value] = await cost.data();
      cost.dispose();
      if (step === 0) firstLoss = value;
      recorder.log(step, { loss: value, learningRate: schedule(step), sharpness: measured?.value });
      onStep(step, value);
      if (!(value < 1000 * firstLoss)) run.divergedAt = step;
    }
    run.seconds = (performance.now() - start) / 1000;
    return run;
  } finally {
    optimizer.dispose();
    network.dispose();
  }
}
