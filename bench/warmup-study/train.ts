import type * as tf from '@tensorflow/tfjs-core';
import { UpdateProbe, type ProbeReading } from '../../src/probes/index.js';
import { representationChange } from '../../src/probes/representation-change.js';
import { trapezoid } from '../../src/schedules/index.js';
import { trainingBatches, validationBatches, type Batch, type Corpus } from './data.js';
import type { Experiment } from './experiments.js';
import { CharacterModel, type ModelShape } from './model.js';
import { median } from '../../src/median.js';
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
  const { corpus, shape, steps, seed } = setup;
  const { name, optimizer: optimizerName, warmupFraction, tellsSignal } = experiment;
  const model = new CharacterModel(shape, corpus.vocabulary.length, seed);
  const probe = new UpdateProbe({
    metrics: [
      'updateNorm',
      'angularUpdate',
      'neuronAngularUpdate',
      ...(tellsSignal ? (['gradientSNR'] as const) : []),
    ],
  });
  const optimizer = experiment.create(
    (scale) => trapezoid({ peak: scale * setup.learningRate, totalSteps: steps, warmupFraction }),
    probe,
  );
  try {
    // Otherwise what the rotational variants do to the weights beforehand would count as part of
    // the first update below.
    optimizer.prepare(model.variables);
    const batches = trainingBatches(corpus, shape, ~seed);
    const losses: number[] = [];
    const learningRates: number[] = [];
    const readings: ProbeReading[] = [];
    const representationChanges: Run['representationChanges'] = [];
    const milliseconds: number[] = [];
    for (let step = 0; step < steps; step++) {
      const batch = batches.next().value;
      learningRates.push(optimizer.currentLearningRate);
      const update = async (): Promise<void> => {
        const start = performance.now();
        const cost = optimizer.minimize(() => model.loss(batch), true, model.variables)!;
        const [[loss], read] = await Promise.all([cost.data(), probe.read()]);
        cost.dispose();
        losses.push(loss);
        readings.push(...read);
        milliseconds.push(performance.now() - start);
      };
      if ((step & (step - 1)) === 0)
        representationChanges.push({ step, value: await projectionChange(model, batch, update) });
      else await update();
      onStep(step, losses[step]);
    }
    return {
      name,
      optimizer: optimizerName,
      options: optimizer.getConfig(),
      warmupFraction,
      seed,
      losses,
      learningRates,
      ...updateSeries(
        readings,
        namesOf(model.variables.filter(({ rank }) => rank === 2)),
        namesOf(model.projections),
      ),
      representationChanges,
      validationLoss: await validate(model, corpus, shape),
      millisecondsPerStep: median(milliseconds),
    };
  } finally {
    optimizer.dispose();
    model.dispose();
  }
}

const namesOf = (variables: readonly tf.Variable[]): string[] => variables.map(({ name }) => name);

async function projectionChange(
  model: CharacterModel,
  batch: Batch,
  update: () => Promise<void>,
): Promise<number> {
  const { layers } = await representationChange(
    (_: Batch, linear) =>
      model.logits(
        batch,
        (x, weight) =>
          linear(
            x,
            weight,
            matmul as (x: tf.Tensor, weight: tf.Tensor) => tf.Tensor,
          ) as tf.Tensor2D,
      ),
    batch,
    update,
  );
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
