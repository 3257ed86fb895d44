import { trapezoid } from '../../src/schedules/index.js';
import { trainingBatches, validationBatches, type Corpus } from './data.js';
import type { Experiment } from './experiments.js';
import { CharacterModel, type ModelShape } from './model.js';
import { median } from './median.js';
import { UpdateNorm } from './update-norm.js';

/** What is kept of one training; losses, learning rates and update norms are one number a step. */
export interface Run {
  name: string;
  optimizer: string;
  options: object;
  warmupFraction: number;
  seed: number;
  losses: number[];
  learningRates: number[];
  updateNorms: number[];
  validationLoss: number;
  /** Median over the steps: forward, backward, optimizer and the reading of loss and update norm. */
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

/** Trains one model from the seed's weights on the seed's batches: the same for every experiment. */
export async function train(experiment: Experiment, setup: TrainingSetup, onStep: (step: number, loss: number) => void): Promise<Run> {
  const { corpus, shape, steps, seed } = setup;
  const { name, optimizer: optimizerName, warmupFraction } = experiment;
  const schedule = trapezoid({ peak: setup.learningRate, totalSteps: steps, warmupFraction });
  const model = new CharacterModel(shape, corpus.vocabulary.length, seed);
  const optimizer = experiment.create(schedule);
  try {
    const updateNorm = await UpdateNorm.start(model.variables);
    const batches = trainingBatches(corpus, shape, ~seed);
    const losses: number[] = [];
    const updateNorms: number[] = [];
    const milliseconds: number[] = [];
    for (let step = 0; step < steps; step++) {
      const start = performance.now();
      const batch = batches.next().value;
      const cost = optimizer.minimize(() => model.loss(batch), true, model.variables)!;
      losses.push((await cost.data())[0]);
      cost.dispose();
      updateNorms.push(await updateNorm.measure());
      milliseconds.push(performance.now() - start);
      onStep(step, losses[step]);
    }
    return {
      name,
      optimizer: optimizerName,
      options: { learningRate: schedule.spec, ...experiment.options },
      warmupFraction,
      seed,
      losses,
      learningRates: losses.map((_, step) => schedule(step)),
      updateNorms,
      validationLoss: await validate(model, corpus, shape),
      millisecondsPerStep: median(milliseconds),
    };
  } finally {
    optimizer.dispose();
    model.dispose();
  }
}

async function validate(model: CharacterModel, corpus: Corpus, shape: TrainingShape): Promise<number> {
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
