/** A learning rate, or another rate, as users give it: a number, a schedule, or a function of the step. */
import { checkNumber, isWithin } from '../check.js';
import type { Schedule } from '../schedules/schedule.js';
import type { Option } from './schema.js';

export type LearningRate = number | Schedule | ((step: number) => number);

const interval = '[0, Infinity)';

export const rate: Option = {
  allowed: `be a number in ${interval}, a schedule or a function of the step`,
  accepts: (value) => typeof value === 'function' || isWithin(value, interval),
};

/** The rate at a step; throws if a function gives anything but a finite number of at least 0. */
export function rateAt(owner: string, option: string, given: LearningRate, step: number): number {
  if (typeof given === 'number') return given;
  const value = given(step);
  checkNumber(owner, `${option} at step ${step}`, value, interval);
  return value;
}
