/** Warmups whose length follows from Adam's beta2, so that nothing is left to tune. */

import { checkNames, checkNumber } from '../check.js';
import { exponentialWarmup, type ExponentialWarmupSpec } from './exponential-warmup.js';
import { linearWarmup, type LinearWarmupSpec } from './linear-warmup.js';
import type { ScheduleOf } from './schedule.js';

/** Options of {@link untunedLinear} and {@link untunedExponential}. */
export type UntunedOptions = {
  /** The value at the end of the warmup, at least 0. */
  peak: number;
  /** The optimizer's beta2, in [0, 1). */
  beta2: number;
};

/** The options, each read once. */
function readUntuned(label: string, options: UntunedOptions): UntunedOptions {
  checkNames(label, options, ['peak', 'beta2']);
  const { peak, beta2 } = options;
  checkNumber(label, 'beta2', beta2, '[0, 1)');
  return { peak, beta2 };
}

/**
 * The {@link linearWarmup} whose length follows from beta2: 2 / (1 - beta2) steps, rounded.
 *
 * peak min(1, (t + 1) (1 - beta2) / 2): 2000 steps for beta2 .999, 40 for .95.
 *
 * @param options - See {@link UntunedOptions}.
 * @returns The schedule, with the spec of the warmup that it is.
 * @throws {Error} if an option is unknown or out of range, or, when called, if the step is not a
 * whole number of at least 0.
 * @see {@link https://arxiv.org/abs/1910.04209 | Ma and Yarats, On the adequacy of untuned warmup
 * for adaptive optimization, untuned linear warmup}
 * @example
 * import { untunedLinear } from 'tfjs-warmup/schedules';
 *
 * const { spec } = untunedLinear({ peak: 1, beta2: 0.999 });
 * spec; // { kind: 'linearWarmup', peak: 1, warmupSteps: 2000, from: 0 }
 */
export function untunedLinear(options: UntunedOptions): ScheduleOf<LinearWarmupSpec> {
  const { peak, beta2 } = readUntuned('untunedLinear', options);
  return linearWarmup({ peak, warmupSteps: Math.round(2 / (1 - beta2)) });
}

/**
 * The {@link exponentialWarmup} whose time constant follows from beta2: 1 / (1 - beta2) steps.
 *
 * peak (1 - e^(-(1 - beta2) (t + 1))).
 *
 * @param options - See {@link UntunedOptions}.
 * @returns The schedule, with the spec of the warmup that it is.
 * @throws {Error} if an option is unknown or out of range, or, when called, if the step is not a
 * whole number of at least 0.
 * @see {@link https://arxiv.org/abs/1910.04209 | Ma and Yarats, On the adequacy of untuned warmup
 * for adaptive optimization, untuned exponential warmup}
 * @example
 * import { untunedExponential } from 'tfjs-warmup/schedules';
 *
 * const { spec } = untunedExponential({ peak: 1, beta2: 0.75 });
 * spec; // { kind: 'exponentialWarmup', peak: 1, rate: 0.25 }
 */
export function untunedExponential(options: UntunedOptions): ScheduleOf<ExponentialWarmupSpec> {
  const { peak, beta2 } = readUntuned('untunedExponential', options);
  return exponentialWarmup({ peak, rate: 1 - beta2 });
}
