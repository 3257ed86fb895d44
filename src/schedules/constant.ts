import { checkAmount, schedule, type ScheduleOf } from './schedule.js';

/** {@link constant} as plain JSON. */
export type ConstantSpec = { kind: 'constant'; value: number };

/**
 * The same value at every step.
 *
 * @param value - At least 0.
 * @returns The schedule.
 * @throws {Error} if the value is not a finite number of at least 0, or, when called, if the step
 * is not a whole number of at least 0.
 * @example
 * import { constant } from 'tfjs-warmup/schedules';
 *
 * constant(0.5)(1000); // 0.5
 */
export function constant(value: number): ScheduleOf<ConstantSpec> {
  checkAmount('constant', 'value', value);
  return schedule({ kind: 'constant', value }, () => value);
}
