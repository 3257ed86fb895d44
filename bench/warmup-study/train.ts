import type * as tf from '@tensorflow/tfjs-core';
import { median } from '../../src/median.js';
import type { FusedOptimizer } from '../../src/optimizers/index.js';
import { UpdateProbe, type MetricName, type ProbeReading } from '../../src/probes/index.js';
import { representationChange, type LinearCall } from '../../src/probes/representation-change.js';
import { trapezoid } from '../../src/schedules/index.js';
import { trainingBatches, validationBatches, type Batch, type Corpus } from './data.js';
import type { Experiment } from './experiments.js';
import { CharacterModel, type ModelShape } from './model.js';
import { matmul } from '../support/matmul.js';
import { updateSeries, type UpdateSeries } from './update-series.js';

/** What is kept of one training; losses and learning rates are one number a step. */
export interface Run extends UpdateSeries {
  name: string;
  optimizer: string;
  /** All that the optimizer was made with, defaults included. */
  options: object;
  warmupFraction: number;
  seed: number;
  losses: number[];
  learningRates: number[];
  /**
   * |dW X| / |W X| of the query, key and value matrices, X what goes into them on the step's batch
   * before the update: the median of these matrices, on step 0 and on steps that are powers of two.
   */
  representationChanges: { step: number; value: number }[];
  validationLoss: number;
  /** Median over the steps: forward, backward, optimizer and the reading of loss and probe. */
  millisecondsPerStep: number;
}

export interface TrainingShape extends ModelShape {
  batch: number;
}

export interface TrainingSetup {
  corpus: Corpus;
  shape: TrainingShape;
  learningRate: number;
  steps: number;
  seed: number;
}

/**
 * Trains one model from the seed's weights on the seed's batches: the same for every experiment.
 */
export async function train(
  experiment: Experiment,
  setup: TrainingSetup,
  onStep: (step: number, loss: number) => void,
): Promise<Run> {
  const training = new Training(experiment, setup);
  try {
    for (let step = 0; step < setup.steps; step++) onStep(step, await training.step(step));
    return await training.result();
  } finally {
    training.dispose();
  }
}

class Training {
  readonly #experiment: Experiment;
  readonly #setup: TrainingSetup;
  readonly #model: CharacterModel;
  readonly #probe: UpdateProbe;
  readonly #optimizer: FusedOptimizer;
  readonly #batches: Iterator<Batch, never>;
  readonly #losses: number[] = [];
  readonly #learningRates: number[] = [];
  readonly #readings: ProbeReading[] = [];
  readonly #representationChanges: Run['representationChanges'] = [];
  readonly #milliseconds: number[] = [];

  constructor(experiment: Experiment, setup: TrainingSetup) {
    this.#experiment = experiment;
    this.#setup = setup;
    const { corpus, shape, learningRate, steps, seed } = setup;
    const { warmupFraction, tellsSignal } = experiment;
    this.#model = new CharacterModel(shape, corpus.vocabulary.length, seed);
    this.#probe = new UpdateProbe({
      metrics: tellsSignal ? [...angles, 'gradientSNR'] : angles,
    });
    this.#optimizer = experiment.create(
      (scale) => trapezoid({ peak: scale * learningRate, totalSteps: steps, warmupFraction }),
      this.#probe,
    );
    // Otherwise what the rotational variants do to the weights beforehand would count as part of
    // the first update.
    this.#optimizer.prepare(this.#model.variables);
    this.#batches = trainingBatches(corpus, shape, ~seed);
  }

  /** Gives the loss before the update. */
  async step(step: number): Promise<number> {
    const batch = this.#batches.next().value;
    this.#learningRates.push(this.#optimizer.currentLearningRate);
    const isPowerOfTwo = (step & (step - 1)) === 0;
    if (isPowerOfTwo) {
      const value = await projectionChange(this.#model, batch, () => this.#update(batch));
      this.#representationChanges.push({ step, value });
    } else {
      await this.#update(batch);
    }
    return this.#losses[step];
  }

  async #update(batch: Batch): Promise<void> {
    const start = performance.now();
    const model = this.#model;
    const cost = this.#optimizer.minimize(() => model.loss(batch), true, model.variables)!;
    const [[loss], readings] = await Promise.all([cost.data(), this.#probe.read()]);
    cost.dispose();
    this.#losses.push(loss);
    this.#readings.push(...readings);
    this.#milliseconds.push(performance.now() - start);
  }

  async result(): Promise<Run> {
    const { name, optimizer, warmupFraction } = this.#experiment;
    const { corpus, shape, seed } = this.#setup;
    const model = this.#model;
    return {
      name,
      optimizer,
      options: this.#optimizer.getConfig(),
      warmupFraction,
      seed,
      losses: this.#losses,
      learningRates: this.#learningRates,
      ...updateSeries(
        this.#readings,
        namesOf(model.variables.filter(({ rank }) => rank === 2)),
        namesOf(model.projections),
      ),
      representationChanges: this.#representationChanges,
      validationLoss: await validate(model, corpus, shape),
      millisecondsPerStep: median(this.#milliseconds),
    };
  }

  dispose(): void {
    this.#optimizer.dispose();
    this.#model.dispose();
  }
}

const angles: MetricName[] = ['updateNorm', 'angularUpdate', 'neuronAngularUpdate'];

const namesOf = (variables: readonly tf.Variable[]): string[] => variables.map(({ name }) => name);

/** The median change of the query, key and value projections by an update. */
async function projectionChange(
  model: CharacterModel,
  batch: Batch,
  update: () => Promise<void>,
): Promise<number> {
  const product = matmul as (x: tf.Tensor, weight: tf.Tensor) => tf.Tensor;
  const forward = (_: Batch, linear: LinearCall): tf.Tensor =>
    model.logits(batch, (x, weight) => linear(x, weight, product) as tf.Tensor2D);
  const { layers } = await representationChange(forward, batch, update);
  return median(namesOf(model.projections).map((name) => layers[name].local));
}

async function validate(
  model: CharacterModel,
  corpus: Corpus,
  shape: TrainingShape,
): Promise<number> {
  let sum = 0;
  let windows = 0;
  for (const batch of validationBatches(corpus, shape)) {
    const loss = model.loss(batch);
    sum += (await loss.data())[0] * batch.size;
    windows += batch.size;
    loss.dispose();
  }
  return sum / windows;
}
