/**
 * Laws that a learning-rate schedule should keep, checked step by step: for the user's own
 * functions as much as for ours.
 */

import { check, checkCount, checkNames, checkNumber, show } from '../check.js';
import type { Schedule } from './schedule.js';
import { scheduleFrom } from './spec.js';

/** What {@link checkSchedule} is to check besides the laws that always hold. */
export type ScheduleLaws = {
  /**
   * The first and the last step to look at, both included; every step between is asked.
   * @defaultValue [0, 1000]
   */
  steps?: [first: number, last: number];
  /** No value is below `min` or above `max`, not even by a rounding error. */
  bounds?: { min?: number; max?: number };
  /**
   * No value is below (`'increasing'`) or above (`'decreasing'`) the one before it; equal values
   * are allowed.
   */
  monotone?: 'increasing' | 'decreasing';
  /**
   * The largest change from one step to the next, as a part of the largest magnitude in these
   * steps.
   */
  continuity?: number;
  /** The exact value at some steps, which need not lie in `steps`: `[[0, 1e-5], [1000, 0]]`. */
  values?: [step: number, value: number][];
  /**
   * Whether the spec, sent through JSON, gives the same schedule back.
   * @defaultValue true for a schedule with a spec
   */
  roundTrip?: boolean;
};

/** What {@link checkSchedule} saw in the steps it looked at. */
export type ScheduleReport = {
  /** How many steps were looked at. */
  steps: number;
  /** The smallest value. */
  min: number;
  /** The largest value. */
  max: number;
  /**
   * The largest change from one step to the next, as a part of the largest magnitude: the least
   * `continuity` that would pass.
   */
  largestJump: number;
  /** The step that the largest change leads to. */
  largestJumpStep: number;
};

const label = 'checkSchedule';

function fail(law: string, what: string): never {
  throw new Error(`${label}: ${law} is broken, ${what}`);
}

function checkLaws({
  steps = [0, 1000],
  bounds = {},
  monotone,
  continuity,
  values = [],
  roundTrip,
}: ScheduleLaws): void {
  check(
    Array.isArray(steps) && steps.length === 2,
    label,
    'steps',
    'be an array of the first and the last step',
    steps,
  );
  checkCount(label, 'first of steps', steps[0]);
  checkCount(label, 'last of steps', steps[1], steps[0]);
  checkNames(label, bounds, ['min', 'max']);
  for (const side of ['min', 'max'] as const) {
    if (bounds[side] !== undefined) checkNumber(label, side, bounds[side], '(-Infinity, Infinity)');
  }
  check(
    [undefined, 'increasing', 'decreasing'].includes(monotone),
    label,
    'monotone',
    "be 'increasing' or 'decreasing'",
    monotone,
  );
  if (continuity !== undefined) checkNumber(label, 'continuity', continuity, '[0, Infinity)');
  check(
    [undefined, true, false].includes(roundTrip),
    label,
    'roundTrip',
    'be true or false',
    roundTrip,
  );
  check(
    Array.isArray(values) && values.every(Array.isArray),
    label,
    'values',
    'be an array of [step, value]',
    values,
  );
  for (const [step, value] of values) {
    checkCount(label, 'step of values', step);
    checkNumber(label, `value at step ${step}`, value, '(-Infinity, Infinity)');
  }
}

function checkRoundTrip({ spec }: Schedule, values: readonly number[], first: number): void {
  const json = JSON.stringify(spec);
  const again = scheduleFrom(JSON.parse(json));
  if (JSON.stringify(again.spec) !== json)
    fail('roundTrip', `the spec ${json} came back as ${JSON.stringify(again.spec)}`);
  for (const [index, value] of values.entries()) {
    const back = again(first + index);
    if (back !== value)
      fail('roundTrip', `step ${first + index} gives ${value}, and ${back} after JSON`);
  }
}

/**
 * Checks a schedule, or any plain function of the step, against laws, and throws at the first step
 * that breaks one.
 *
 * Always checked, at every step in `steps`: **finite**, each value is a finite number; **pure**,
 * asked again in reverse order each step gives the same value;
 * **roundTrip**, where there is a spec. Checked where given: **bounds**, **monotone**,
 * **continuity**, **values**. Call it once for each phase that has laws of its own.
 *
 * @param schedule A schedule or a function from the step to a number.
 * @param laws See {@link ScheduleLaws}; `steps` is [0, 1000] unless given.
 * @returns The smallest and largest value and the largest jump in these steps.
 * @throws Error that names the broken law, the step and the values; or the law itself, if it is
 * unknown or out of range.
 * @example
 * import { checkSchedule } from 'tfjs-warmup/schedules';
 *
 * const rate = (step) => 0.5 / Math.sqrt(step + 1);
 * checkSchedule(rate, { steps: [0, 99], bounds: { min: 0.05, max: 0.5 }, monotone: 'decreasing', values: [[0, 0.5]] }).max; // 0.5
 */
export function checkSchedule(
  schedule: Schedule | ((step: number) => number),
  laws: ScheduleLaws = {},
): ScheduleReport {
  check(typeof schedule === 'function', label, 'schedule', 'be a function of the step', schedule);
  checkNames(label, laws, ['steps', 'bounds', 'monotone', 'continuity', 'values', 'roundTrip']);
  checkLaws(laws);
  const {
    steps: [first, last] = [0, 1000],
    bounds: { min = -Infinity, max = Infinity } = {},
    monotone,
    continuity = Infinity,
  } = laws;

  const values: number[] = [];
  for (let step = first; step <= last; step++) {
    const value = schedule(step);
    if (!Number.isFinite(value)) fail('finite', `step ${step} gives ${show(value)}`);
    if (value < min) fail('bounds', `step ${step} gives ${value}, below the min of ${min}`);
    if (value > max) fail('bounds', `step ${step} gives ${value}, above the max of ${max}`);
    const before = values.at(-1);
    if (
      before !== undefined &&
      (monotone === 'increasing' ? value < before : monotone === 'decreasing' && value > before)
    ) {
      fail(
        'monotone',
        `not ${monotone} from step ${step - 1} to ${step}: ${before}, then ${value}`,
      );
    }
    values.push(value);
  }

  const report = {
    steps: values.length,
    min: Infinity,
    max: -Infinity,
    largestJump: 0,
    largestJumpStep: first,
  };
  let change = 0;
  for (const [index, value] of values.entries()) {
    report.min = Math.min(report.min, value);
    report.max = Math.max(report.max, value);
    if (index > 0 && Math.abs(value - values[index - 1]) > change) {
      change = Math.abs(value - values[index - 1]);
      report.largestJumpStep = first + index;
    }
  }
  if (change > 0)
    report.largestJump = change / Math.max(Math.abs(report.min), Math.abs(report.max));
  if (report.largestJump > continuity) {
    const step = report.largestJumpStep;
    fail(
      'continuity',
      `a jump of ${report.largestJump} from step ${step - 1} to ${step}, ${values[step - 1 - first]} to ${values[step - first]}, above ${continuity}`,
    );
  }

  for (let step = last; step >= first; step--) {
    const again = schedule(step);
    if (again !== values[step - first])
      fail('pure', `step ${step} gave ${values[step - first]}, and ${again} when asked again`);
  }
  for (const [step, wanted] of laws.values ?? []) {
    const value = schedule(step);
    if (value !== wanted) fail('values', `step ${step} gives ${value}, not ${wanted}`);
  }
  const hasSpec = 'spec' in schedule;
  if (laws.roundTrip ?? hasSpec) {
    check(hasSpec, label, 'roundTrip', 'be left out for a function without a spec', laws.roundTrip);
    checkRoundTrip(schedule as Schedule, values, first);
  }
  return report;
}
