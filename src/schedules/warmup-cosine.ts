import { checkNames, refuse } from '../check.js';
import { checkTotalSteps, phases } from './phases.js';
import { checkAmount, schedule, type ScheduleOf } from './schedule.js';
import { cosine, linear } from './shapes.js';

/** Options of {@link warmupCosine}. */
export type WarmupCosineOptions = {
  /** The value at the end of the warmup, at least 0. */
  peak: number;
  /** Length of the warmup in steps, at most totalSteps; 0 and 1 mean none. */
  warmupSteps: number;
  /** The first step at which the floor is reached, at least 1. */
  totalSteps: number;
  /**
   * The value from totalSteps on, in [0, peak].
   * @defaultValue 0
   */
  floor?: number;
};

/** {@link warmupCosine} as plain JSON. */
export type WarmupCosineSpec = { kind: 'warmupCosine' } & Required<WarmupCosineOptions>;

const kind = 'warmupCosine';

/**
 * A linear warmup to `peak`, then half a cosine wave down to `floor`, which it keeps from
 * `totalSteps` on.
 *
 * Warmup: peak (t + 1) / warmupSteps. After it: floor + (peak - floor) (1 + cos(pi x)) / 2 with
 * x = (t - warmupSteps) / (totalSteps - warmupSteps).
 *
 * @param options - See {@link WarmupCosineOptions}.
 * @returns The schedule; its `spec` has the defaults written out.
 * @throws {Error} if an option is unknown or out of range, or, when called, if the step is not a
 * whole number of at least 0.
 * @see {@link https://arxiv.org/abs/1608.03983 | Loshchilov and Hutter, SGDR: Stochastic gradient
 * descent with warm restarts, Eq. 5}
 * @see {@link https://arxiv.org/abs/2406.09405 | Kalra and Barkeshli, Why warmup the learning
 * rate?, Eq. 8}, which prints start and end swapped: its code is followed
 * @example
 * import { warmupCosine } from 'tfjs-warmup/schedules';
 *
 * const rate = warmupCosine({ peak: 1, warmupSteps: 2, totalSteps: 6, floor: 0.1 });
 * [0, 1, 2, 4, 6].map((step) => rate(step).toFixed(2)); // ['0.50', '1.00', '1.00', '0.55', '0.10']
 */
export function warmupCosine(options: WarmupCosineOptions): ScheduleOf<WarmupCosineSpec> {
  checkNames(kind, options, ['peak', 'warmupSteps', 'totalSteps', 'floor']);
  const { peak, warmupSteps, totalSteps, floor = 0 } = options;
  checkAmount(kind, 'peak', peak);
  checkAmount(kind, 'warmupSteps', warmupSteps, 1);
  checkTotalSteps(kind, totalSteps);
  checkAmount(kind, 'floor', floor, 0, peak);
  if (warmupSteps > totalSteps)
    refuse(kind, 'warmupSteps', `be at most totalSteps, ${totalSteps}`, warmupSteps);
  const cooldownSteps = totalSteps - warmupSteps;
  return schedule(
    { kind, peak, warmupSteps, totalSteps, floor },
    phases({ peak, floor, warmupSteps, cooldownSteps, totalSteps }, linear, cosine),
  );
}
