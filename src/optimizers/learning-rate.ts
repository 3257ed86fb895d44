/** A learning rate, or another rate, as users give it: a number, a schedule, or a function of the step. */
import { check, checkNumber } from '../check.js';
import type { Schedule, ScheduleSpec } from '../schedules/schedule.js';

export type LearningRate = number | Schedule | ((step: number) => number);

const isSchedule = (rate: LearningRate): rate is Schedule => typeof rate === 'function' && 'spec' in rate;

export function checkRate(owner: string, option: string, rate: unknown): asserts rate is LearningRate {
  if (typeof rate === 'number') checkNumber(owner, option, rate, '[0, Infinity)');
  else check(typeof rate === 'function', owner, option, 'be a number in [0, Infinity), a schedule or a function of the step', rate);
}

/** The rate at a step; throws if a function gives anything but a finite number of at least 0. */
export function rateAt(owner: string, option: string, rate: LearningRate, step: number): number {
  if (typeof rate === 'number') return rate;
  const value = rate(step);
  checkNumber(owner, `${option} at step ${step}`, value, '[0, Infinity)');
  return value;
}

const isPlainObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const mapEntries = (object: Record<string, unknown>, map: (name: string, value: unknown) => unknown): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(name, value)]));

/** An option's value as plain JSON; of functions only schedules have such a form. */
export function optionConfig(owner: string, option: string, value: unknown): unknown {
  if (isPlainObject(value)) return mapEntries(value, (name, part) => optionConfig(owner, `${option}.${name}`, part));
  if (typeof value !== 'function') return value;
  if (isSchedule(value as LearningRate)) return (value as Schedule).spec;
  throw new Error(`${owner}: ${option} is a plain function, which cannot be saved; a schedule of tfjs-warmup/schedules, a number or a name can`);
}

type Revive = (spec: ScheduleSpec) => Schedule;

let revive: Revive | undefined;

/** Sets how saved schedules come back: an optimizer imported alone does not carry all schedules. */
export const setScheduleReviver = (reviver: Revive): void => {
  revive = reviver;
};

const isSpec = (config: object): config is ScheduleSpec => 'kind' in config;

/** An option's value from plain JSON. */
export function optionFromConfig(owner: string, option: string, config: unknown): unknown {
  if (!isPlainObject(config)) return config;
  if (!isSpec(config)) return mapEntries(config, (name, part) => optionFromConfig(owner, `${option}.${name}`, part));
  if (!revive) throw new Error(`${owner}: ${option} was saved as a schedule; call registerOptimizers() before loading`);
  return revive(config);
}
