import { checkNames, checkNumber, refuse } from '../check.js';
import { checkTotalSteps, phases, stepsOf } from './phases.js';
import { checkAmount, schedule, type ScheduleOf } from './schedule.js';
import { linear } from './shapes.js';

/** Options of {@link trapezoid}. */
export type TrapezoidOptions = {
  /** The value between warmup and cooldown, at least 0. */
  peak: number;
  /** The first step at which the floor is reached, at least 1. */
  totalSteps: number;
  /** Length of the warmup as a part of totalSteps, in [0, 1]; its whole steps count. */
  warmupFraction: number;
  /**
   * Length of the cooldown as a part of totalSteps, in [0, 1]; its whole steps count.
   * @defaultValue 0.5
   */
  cooldownFraction?: number;
  /**
   * The value from totalSteps on, in [0, peak].
   * @defaultValue 0
   */
  floor?: number;
};

/** {@link trapezoid} as plain JSON. */
export type TrapezoidSpec = { kind: 'trapezoid' } & Required<TrapezoidOptions>;

const kind = 'trapezoid';

/**
 * A linear rise to `peak`, a plateau and a linear fall to `floor`, with the lengths as parts of
 * `totalSteps`.
 *
 * With T_w = floor(warmupFraction totalSteps), T_d = floor(cooldownFraction totalSteps):
 * peak (t + 1) / T_w for t < T_w; then peak; floor + (peak - floor) (totalSteps - t) / T_d in the
 * last T_d steps, the first of which is still `peak`; then floor.
 *
 * @param options - See {@link TrapezoidOptions}; the two fractions are together at most 1.
 * @returns The schedule; its `spec` has the defaults written out.
 * @throws {Error} if an option is unknown or out of range, or, when called, if the step is not a
 * whole number of at least 0.
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer and Jaggi, Analyzing and reducing
 * the need for learning rate warmup in GPT training}: warmups of 0 to 20%, cooldown over the last
 * half
 * @example
 * import { trapezoid } from 'tfjs-warmup/schedules';
 *
 * const rate = trapezoid({ peak: 1, totalSteps: 8, warmupFraction: 0.25 });
 * [0, 1, 2, 3, 4, 5, 6, 7, 8].map(rate); // [0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]
 */
export function trapezoid(options: TrapezoidOptions): ScheduleOf<TrapezoidSpec> {
  checkNames(kind, options, ['peak', 'totalSteps', 'warmupFraction', 'cooldownFraction', 'floor']);
  const { peak, totalSteps, warmupFraction, cooldownFraction = 0.5, floor = 0 } = options;
  checkAmount(kind, 'peak', peak);
  checkTotalSteps(kind, totalSteps);
  checkNumber(kind, 'warmupFraction', warmupFraction, '[0, 1]');
  checkNumber(kind, 'cooldownFraction', cooldownFraction, '[0, 1]');
  checkAmount(kind, 'floor', floor, 0, peak);
  const warmupSteps = stepsOf(warmupFraction, totalSteps);
  const cooldownSteps = stepsOf(cooldownFraction, totalSteps);
  const fraction = warmupFraction + cooldownFraction;
  if (fraction > 1 || warmupSteps + cooldownSteps > totalSteps)
    refuse(kind, 'warmupFraction + cooldownFraction', 'be at most 1', fraction);
  return schedule(
    { kind, peak, totalSteps, warmupFraction, cooldownFraction, floor },
    phases({ peak, floor, warmupSteps, cooldownSteps, totalSteps }, linear, linear),
  );
}
