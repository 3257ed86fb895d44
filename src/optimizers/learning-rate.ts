/**
 * A learning rate, or another rate, as users give it: a number, a schedule, or a function of the
 * step.
 */
import { check } from '../check.js';
import type { Schedule } from '../schedules/index.js';
import { within, type Option } from '../schema.js';

/** A number, a schedule, or a function of the step, which counts from 0. */
export type LearningRate = number | Schedule | ((step: number) => number);

const number = within('[0, Infinity)');

/** The option of a rate. */
export const rate: Option = {
  allowed: `${number.allowed}, or be a schedule or a function of the step`,
  accepts: (value) => typeof value === 'function' || number.accepts(value),
};

/** The rate at a step; throws if a function gives anything but a finite number of at least 0. */
export function rateAt(label: string, option: string, given: LearningRate, step: number): number {
  if (typeof given === 'number') return given;
  const value = given(step);
  check(number.accepts(value), label, `${option} at step ${step}`, number.allowed, value);
  return value;
}
