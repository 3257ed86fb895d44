import type { Optimizer } from '@tensorflow/tfjs-core';
import { AdamW, GIAdam } from '../../src/optimizers/index.js';
import type { Schedule } from '../../src/schedules/index.js';

/** One way to train: an optimizer, its options and its warmup. */
export interface Experiment {
  name: string;
  optimizer: string;
  warmupFraction: number;
  options: object;
  create: (learningRate: Schedule) => Optimizer;
}

/** Alike in every run, so that only the optimizer and the warmup differ. */
const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };

/** The gap of every other run is counted from this one. */
export const baseline = 'AdamW, 10% warmup';

export const experiments: readonly Experiment[] = [
  { name: 'AdamW, no warmup', optimizer: 'AdamW', warmupFraction: 0, options, create: (learningRate) => new AdamW({ learningRate, ...options }) },
  { name: baseline, optimizer: 'AdamW', warmupFraction: 0.1, options, create: (learningRate) => new AdamW({ learningRate, ...options }) },
  { name: 'GIAdam, no warmup', optimizer: 'GIAdam', warmupFraction: 0, options, create: (learningRate) => new GIAdam({ learningRate, ...options }) },
];

export const optimizerNames: readonly string[] = [...new Set(experiments.map(({ optimizer }) => optimizer))];
