import { check, checkCount, checkNames, checkNumber } from '../check.js';
import { checkAmount, schedule, type ScheduleOf } from './schedule.js';

/**
 * Options of {@link exponentialWarmup}: the plain form by its rate, or the form that reaches the
 * peak by its length.
 */
export type ExponentialWarmupOptions =
  | {
      /** What the warmup approaches, at least 0. */
      peak: number;
      /** How fast, per step, above 0; 1 / rate is the time constant. */
      rate: number;
    }
  | {
      /** The value at the end of the warmup and ever after, at least 0. */
      peak: number;
      /** Length of the warmup in steps; 0 and 1 mean none. */
      warmupSteps: number;
      /** In how many steps the distance to the peak would fall by e, above 0. */
      timeConstant: number;
    };

/** {@link exponentialWarmup} as plain JSON. */
export type ExponentialWarmupSpec = { kind: 'exponentialWarmup' } & ExponentialWarmupOptions;

const kind = 'exponentialWarmup';

/**
 * A rise that is steep at first and saturates toward `peak`.
 *
 * - With `rate`: peak (1 - e^(-rate (t + 1))), which approaches `peak` without an end.
 * - With `warmupSteps` and `timeConstant`:
 *   peak (1 - e^(-n / timeConstant)) / (1 - e^(-warmupSteps / timeConstant)),
 *   n = min(t + 1, warmupSteps), which is exactly `peak` from step warmupSteps - 1 on.
 *
 * @param options - See {@link ExponentialWarmupOptions}.
 * @returns The schedule.
 * @throws {Error} if an option is unknown, missing or out of range, or, when called, if the step is
 * not a whole number of at least 0.
 * @see {@link https://arxiv.org/abs/1910.04209 | Ma and Yarats, On the adequacy of untuned warmup
 * for adaptive optimization, exponential warmup}
 * @see {@link https://github.com/Tony-Y/pytorch_warmup | pytorch_warmup}
 * @example
 * import { exponentialWarmup } from 'tfjs-warmup/schedules';
 *
 * const open = exponentialWarmup({ peak: 1, rate: 0.5 });
 * [0, 1, 9].map((step) => open(step).toFixed(3)); // ['0.393', '0.632', '0.993']
 *
 * const ending = exponentialWarmup({ peak: 1, warmupSteps: 10, timeConstant: 2 });
 * [0, 1, 9].map((step) => ending(step).toFixed(3)); // ['0.396', '0.636', '1.000']
 */
export function exponentialWarmup(
  options: ExponentialWarmupOptions,
): ScheduleOf<ExponentialWarmupSpec> {
  checkNames(kind, options, ['peak', 'rate', 'warmupSteps', 'timeConstant']);
  const { peak, rate, warmupSteps, timeConstant } = options as {
    peak: number;
    rate?: number;
    warmupSteps?: number;
    timeConstant?: number;
  };
  checkAmount(kind, 'peak', peak);
  check(
    (rate === undefined) === (warmupSteps !== undefined || timeConstant !== undefined),
    kind,
    'either rate or warmupSteps and timeConstant',
    'be given',
    [rate, warmupSteps, timeConstant],
  );
  if (rate !== undefined) {
    checkNumber(kind, 'rate', rate, '(0, Infinity)');
    return schedule({ kind, peak, rate }, (step) => peak * -Math.expm1(-rate * (step + 1)));
  }
  checkCount(kind, 'warmupSteps', warmupSteps);
  checkNumber(kind, 'timeConstant', timeConstant, '(0, Infinity)');
  const whole = Math.expm1(-warmupSteps / timeConstant);
  return schedule({ kind, peak, warmupSteps, timeConstant }, (step) =>
    step + 1 < warmupSteps ? peak * (Math.expm1(-(step + 1) / timeConstant) / whole) : peak,
  );
}
