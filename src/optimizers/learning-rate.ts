/**
 * A learning rate, or another rate, as users give it: a number, a schedule, or a function of the
 * step.
 */
import type { Schedule } from '../schedules/index.js';
import { checkOption, float32Within, type Option } from '../schema.js';

/** A number, a schedule, or a function of the step, which counts from 0. */
export type LearningRate = number | Schedule | ((step: number) => number);

const number = /* @__PURE__ */ float32Within('[0, Infinity)');

/** The option of a rate. */
export const rate: Option = {
  ...number,
  allowed: `${number.allowed}, or be a schedule or a function of the step`,
  accepts: (value) => typeof value === 'function' || number.accepts(value),
};

/** The rate at a step; throws if a function gives anything but a finite number of at least 0. */
export function rateAt(label: string, option: string, given: LearningRate, step: number): number {
  if (typeof given === 'number') return given;
  const value = given(step);
  checkOption(label, `${option} at step ${step}`, number, value);
  return value;
}
