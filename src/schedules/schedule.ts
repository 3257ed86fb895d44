/**
 * What a schedule is: a pure function of the step that carries its own plain-JSON description.
 * Knows no kind of schedule, no shape and no tfjs; all kinds stand together in `spec.ts`.
 */

import { refuse } from '../check.js';

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** A schedule of any kind as plain JSON: its kind and its options. */
export type AnySpec = { kind: string; [option: string]: Json };

/**
 * A pure function from the step (0, 1, 2, ...) to a value, usually a learning rate, with its frozen
 * description in `spec`.
 *
 * Throws an error for a step that is not a whole number of at least 0.
 */
export type ScheduleOf<S extends AnySpec> = ((step: number) => number) & { readonly spec: S };

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
  // A remainder by 0 or undefined is NaN and thus no objection.
  (Number.isFinite(value) && !(value < 0 || value > most || value % whole)) ||
  refuse(
    label,
    option,
    `${whole ? 'be a whole number' : 'lie'} in [0, ${most}${most < Infinity ? ']' : ')'}`,
    value,
  );

/**
 * Makes `at` a schedule: checks the steps that it is asked for, and freezes `spec`. The caller
 * freezes what lies deeper in it.
 */
export const schedule = <S extends AnySpec>(spec: S, at: (step: number) => number): ScheduleOf<S> =>
  Object.assign(
    (step: number) => {
      // NaN compares false with every phase boundary and would pass for the last phase.
      checkAmount(spec.kind, 'step', step, 1);
      return at(step);
    },
    { spec: Object.freeze(spec) as S },
  );
