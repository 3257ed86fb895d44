import type { Parametrization } from './network.js';

/**
 * One training by gradient descent, at the learning rate c / lambda_0, lambda_0 the sharpness of
 * the first weights.
 */
export interface Experiment {
  parametrization: Parametrization;
  c: number;
  /** Steps of a linear warmup; 0 for none. */
  warmupSteps: number;
}

export const experiments: readonly Experiment[] = [
  { parametrization: 'SP', c: 16, warmupSteps: 0 },
  { parametrization: 'SP', c: 16, warmupSteps: 64 },
  { parametrization: 'SP', c: 32, warmupSteps: 0 },
  { parametrization: 'SP', c: 32, warmupSteps: 64 },
  { parametrization: 'muP-like', c: 1, warmupSteps: 0 },
  { parametrization: 'muP-like', c: 16, warmupSteps: 200 },
];

/** Short, so that the line of progress fits 80 columns. */
export const nameOf = ({ parametrization, c, warmupSteps }: Experiment): string =>
  `${parametrization} c=${c}, ${warmupSteps === 0 ? 'no warmup' : `warmup ${warmupSteps}`}`;
