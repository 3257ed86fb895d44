/**
 * What a schedule is: a pure function of the step that carries its own plain-JSON description.
 * Knows no shape and no tfjs.
 */

import { check } from '../check.js';
import type { ScaleSpec, ProductSpec, SequenceSpec } from './combine.js';
import type { ConstantSpec } from './constant.js';
import type { CosineWarmupSpec } from './cosine-warmup.js';
import type { ExponentialWarmupSpec } from './exponential-warmup.js';
import type { LinearWarmupSpec } from './linear-warmup.js';
import type { RampSpec } from './ramp.js';
import type { TrapezoidSpec } from './trapezoid.js';
import type { WarmupCosineSpec } from './warmup-cosine.js';
import type { WsdSpec } from './wsd.js';

/**
 * A schedule as plain JSON, told apart by `kind`: what {@link scheduleFrom} takes and
 * `schedule.spec` gives.
 *
 * Its strings are camelCase, its numbers finite, its defaults written out, so it survives JSON and
 * a tfjs `ConfigDict` unchanged.
 */
export type ScheduleSpec =
  | ConstantSpec
  | RampSpec
  | LinearWarmupSpec
  | ExponentialWarmupSpec
  | CosineWarmupSpec
  | WarmupCosineSpec
  | WsdSpec
  | TrapezoidSpec
  | SequenceSpec
  | ScaleSpec
  | ProductSpec;

/**
 * A pure function from the step (0, 1, 2, ...) to a value, usually a learning rate, with its frozen
 * description in `spec`.
 *
 * Throws an error for a step that is not a whole number of at least 0.
 */
export type Schedule = ((step: number) => number) & { readonly spec: ScheduleSpec };

/**
 * Throws unless `value` is a finite number in [0, most], and a whole one if `whole` is 1: the one
 * check behind every option and step, for the sake of bytes.
 */
export const checkAmount: (
  label: string,
  option: string,
  value: unknown,
  whole?: 0 | 1,
  most?: number,
) => void = (label, option, value: any, whole: any, most = Infinity) =>
  check(
    // A remainder by 0 or undefined is NaN and thus no objection.
    Number.isFinite(value) && !(value < 0 || value > most || value % whole),
    label,
    option,
    `${whole ? 'be a whole number' : 'lie'} in [0, ${most}${most < Infinity ? ']' : ')'}`,
    value,
  );

/**
 * Makes `at` a schedule: its steps checked, its description frozen. The caller freezes what lies
 * deeper.
 */
export const schedule = (spec: ScheduleSpec, at: (step: number) => number): Schedule => {
  const checked = (step: number) => {
    // NaN compares false with every phase boundary and would pass for the last phase.
    checkAmount(spec.kind, 'step', step, 1);
    return at(step);
  };
  checked.spec = Object.freeze(spec);
  return checked;
};

/** A copy of plain JSON that neither its giver nor anyone else can change. */
export const frozenCopy = <T>(json: T): T =>
  JSON.parse(JSON.stringify(json), (_, value) => Object.freeze(value)) as T;
