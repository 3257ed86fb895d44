/**
 * Laws that a learning-rate schedule should keep, checked step by step: for the user's own
 * functions as much as for those of this library.
 */

import { check, checkCount, checkNames, checkNumber, show } from '../check.js';
import { isListOf } from '../schema.js';
import { scheduleFrom, type Schedule } from './spec.js';

/** What {@link checkSchedule} is to check besides the laws that always hold. */
export type ScheduleLaws = {
  /**
   * The first and the last step to look at, both included; every step between is asked. At most ten
   * million.
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

type PlainSchedule = (step: number) => number;

const label = 'checkSchedule';
const defaultSteps: [first: number, last: number] = [0, 1000];
/** Their values are kept, 8 bytes each. */
const mostSteps = 1e7;

function fail(law: string, what: string): never {
  throw new Error(`${label}: ${law} is broken, ${what}`);
}

/** The laws, each read once and checked; their lists are copies. */
type ReadLaws = Omit<ScheduleLaws, 'steps' | 'bounds' | 'values'> &
  Required<Pick<ScheduleLaws, 'steps' | 'bounds' | 'values'>>;

function readLaws(laws: ScheduleLaws): ReadLaws {
  checkNames(label, laws, ['steps', 'bounds', 'monotone', 'continuity', 'values', 'roundTrip']);
  const { steps = defaultSteps, bounds = {}, monotone, continuity, values = [], roundTrip } = laws;
  const read = { steps: readSteps(steps), bounds: readBounds(bounds) };
  const directions = [undefined, 'increasing', 'decreasing'];
  const allowed = "be 'increasing' or 'decreasing'";
  check(directions.includes(monotone), label, 'monotone', allowed, monotone);
  if (continuity !== undefined) checkNumber(label, 'continuity', continuity, '[0, Infinity)');
  const flags = [undefined, true, false];
  check(flags.includes(roundTrip), label, 'roundTrip', 'be true or false', roundTrip);
  return { ...read, monotone, continuity, values: readWantedValues(values), roundTrip };
}

function readSteps(steps: unknown): [first: number, last: number] {
  const allowed = 'be an array of the first and the last step';
  check(Array.isArray(steps) && steps.length === 2, label, 'steps', allowed, steps);
  const [first, last] = steps as unknown[];
  checkCount(label, 'first of steps', first);
  checkCount(label, 'last of steps', last, first);
  check(
    last - first < mostSteps,
    label,
    'last of steps',
    `be less than ${mostSteps} steps after the first, ${first}`,
    last,
  );
  return [first, last];
}

function readBounds(bounds: { min?: number; max?: number }): { min?: number; max?: number } {
  checkNames(label, bounds, ['min', 'max']);
  const { min, max } = bounds;
  if (min !== undefined) checkNumber(label, 'min', min, '(-Infinity, Infinity)');
  if (max !== undefined) checkNumber(label, 'max', max, '(-Infinity, Infinity)');
  return { min, max };
}

function readWantedValues(values: unknown): [step: number, value: number][] {
  check(isListOf(values, Array.isArray), label, 'values', 'be an array of [step, value]', values);
  return (values as unknown[][]).map(([step, value]) => {
    checkCount(label, 'step of values', step);
    checkNumber(label, `value at step ${step}`, value, '(-Infinity, Infinity)');
    return [step, value];
  });
}

/** The values of a schedule at neighboring steps. */
type Curve = { first: number; values: number[] };

/** Asks for the value at each step, and throws at the first that breaks a law of its own. */
function readCurve(schedule: PlainSchedule, laws: ReadLaws): Curve {
  const {
    steps: [first, last],
    bounds,
    monotone,
  } = laws;
  const values: number[] = [];
  for (let step = first; step <= last; step++) {
    const value = schedule(step);
    if (!Number.isFinite(value)) fail('finite', `step ${step} gives ${show(value)}`);
    checkWithin(bounds, step, value);
    if (step > first) checkDirection(monotone, step, values[values.length - 1], value);
    values.push(value);
  }
  return { first, values };
}

function checkWithin(
  { min = -Infinity, max = Infinity }: { min?: number; max?: number },
  step: number,
  value: number,
): void {
  if (value < min) fail('bounds', `step ${step} gives ${value}, below the min of ${min}`);
  if (value > max) fail('bounds', `step ${step} gives ${value}, above the max of ${max}`);
}

function checkDirection(
  direction: ScheduleLaws['monotone'],
  step: number,
  before: number,
  value: number,
): void {
  const falls = direction === 'increasing' && value < before;
  const rises = direction === 'decreasing' && value > before;
  if (falls || rises) {
    const steps = `from step ${step - 1} to ${step}`;
    fail('monotone', `not ${direction} ${steps}: ${before}, then ${value}`);
  }
}

function reportOf({ first, values }: Curve): ScheduleReport {
  let [min, max, largestChange, largestJumpStep] = [Infinity, -Infinity, 0, first];
  for (const [index, value] of values.entries()) {
    min = Math.min(min, value);
    max = Math.max(max, value);
    const change = index === 0 ? 0 : Math.abs(value - values[index - 1]);
    if (change > largestChange) [largestChange, largestJumpStep] = [change, first + index];
  }
  const magnitude = Math.max(Math.abs(min), Math.abs(max));
  const largestJump = largestChange > 0 ? largestChange / magnitude : 0;
  return { steps: values.length, min, max, largestJump, largestJumpStep };
}

function checkContinuity(
  { first, values }: Curve,
  { largestJump, largestJumpStep: step }: ScheduleReport,
  continuity = Infinity,
): void {
  if (largestJump <= continuity) return;
  const [before, after] = [values[step - 1 - first], values[step - first]];
  fail(
    'continuity',
    `a jump of ${largestJump} from step ${step - 1} to ${step}, ` +
      `${before} to ${after}, above ${continuity}`,
  );
}

function checkPurity(schedule: PlainSchedule, { first, values }: Curve): void {
  for (let index = values.length - 1; index >= 0; index--) {
    const again = schedule(first + index);
    if (again !== values[index])
      fail('pure', `step ${first + index} gave ${values[index]}, and ${again} when asked again`);
  }
}

function checkRoundTrip({ spec }: Schedule, { first, values }: Curve): void {
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
 * asked again in reverse order each step gives the same value; **roundTrip**, where there is a
 * spec. Checked where given: **bounds**, **monotone**, **continuity**, **values**. Call it once for
 * each phase that has laws of its own.
 *
 * @param schedule - A schedule or a function from the step to a number.
 * @param laws - See {@link ScheduleLaws}; those that always hold unless given.
 * @returns The smallest and largest value and the largest jump in these steps.
 * @throws {Error} if a law is broken, naming the law, the step and the values, or if a law itself
 * is unknown or out of range.
 * @example
 * import { checkSchedule } from 'tfjs-warmup/schedules';
 *
 * const rate = (step) => 0.5 / Math.sqrt(step + 1);
 * const bounds = { min: 0.05, max: 0.5 };
 * const laws = { steps: [0, 99], bounds, monotone: 'decreasing', values: [[0, 0.5]] };
 * checkSchedule(rate, laws).max; // 0.5
 */
export function checkSchedule(
  schedule: Schedule | ((step: number) => number),
  laws: ScheduleLaws = {},
): ScheduleReport {
  check(typeof schedule === 'function', label, 'schedule', 'be a function of the step', schedule);
  const { continuity, values, roundTrip, ...others } = readLaws(laws);
  const curve = readCurve(schedule, { ...others, values });
  const seen = reportOf(curve);
  checkContinuity(curve, seen, continuity);
  checkPurity(schedule, curve);
  for (const [step, wanted] of values) {
    const value = schedule(step);
    if (value !== wanted) fail('values', `step ${step} gives ${value}, not ${wanted}`);
  }
  const hasSpec = 'spec' in schedule;
  if (roundTrip ?? hasSpec) {
    check(hasSpec, label, 'roundTrip', 'be left out for a function without a spec', roundTrip);
    checkRoundTrip(schedule as Schedule, curve);
  }
  return seen;
}
