/** Schedules made of schedules: one after another, times a number, times each other. */

import { check, checkNames } from '../check.js';
import { checkAmount, frozenCopy, schedule, type AnySpec, type ScheduleOf } from './schedule.js';

export type AnySchedule = ScheduleOf<AnySpec>;

/** One part of a {@link sequence} but the last. */
export type SequencePart = {
  /** What runs in this part, counted from its own step 0. */
  schedule: AnySchedule;
  /** For how many steps. */
  steps: number;
};

/** {@link sequence} as plain JSON. */
export type SequenceSpec = {
  kind: 'sequence';
  parts: { schedule: AnySpec; steps: number }[];
  last: AnySpec;
};

/** {@link scale} as plain JSON. */
export type ScaleSpec = { kind: 'scale'; schedule: AnySpec; factor: number };

/** {@link product} as plain JSON. */
export type ProductSpec = { kind: 'product'; schedules: AnySpec[] };

function checkIsSchedule(
  label: string,
  option: string,
  value: unknown,
): asserts value is AnySchedule {
  const spec: unknown = typeof value === 'function' && (value as Partial<AnySchedule>).spec;
  check(
    typeof spec === 'object' && spec !== null,
    label,
    option,
    'be a schedule (a function of the step with a spec)',
    value,
  );
}

/**
 * One schedule after another, each counting from its own step 0.
 *
 * parts[0](t) for t < parts[0].steps, then parts[1](t - parts[0].steps), and so on; `last` runs for
 * good.
 *
 * @param parts - Any number of `{ schedule, steps }`, steps a whole number of at least 0, and at
 * the end a schedule alone.
 * @returns The schedule.
 * @throws {Error} if a part is not of that form, or, when called, if the step is not a whole number
 * of at least 0.
 * @see {@link https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html |
 * optax.join_schedules}
 * @example
 * import { constant, linearWarmup, sequence } from 'tfjs-warmup/schedules';
 *
 * const rise = linearWarmup({ peak: 1, warmupSteps: 2 });
 * const rate = sequence({ schedule: rise, steps: 3 }, constant(0.25));
 * [0, 1, 2, 3, 4].map(rate); // [0.5, 1, 1, 0.25, 0.25]
 */
export function sequence(...parts: [...SequencePart[], AnySchedule]): ScheduleOf<SequenceSpec> {
  const last = parts.at(-1) as AnySchedule;
  const earlier = parts.slice(0, -1) as SequencePart[];
  for (const [index, part] of earlier.entries()) {
    const label = `sequence: part ${index}`;
    checkNames(label, part, ['schedule', 'steps']);
    checkIsSchedule(label, 'schedule', part.schedule);
    checkAmount(label, 'steps', part.steps, 1);
  }
  checkIsSchedule('sequence', 'the last part', last);
  // A copy: the caller's objects may change later.
  const runs = earlier.map(({ schedule, steps }) => ({ schedule, steps }));
  return schedule(
    frozenCopy({
      kind: 'sequence',
      parts: runs.map(({ schedule, steps }) => ({ schedule: schedule.spec, steps })),
      last: last.spec,
    }),
    (step) => {
      for (const { schedule, steps } of runs) {
        if (step < steps) return schedule(step);
        step -= steps;
      }
      return last(step);
    },
  );
}

/**
 * A schedule times a number.
 *
 * factor schedule(t).
 *
 * @param inner - A schedule.
 * @param factor - At least 0.
 * @returns The schedule.
 * @throws {Error} if `inner` is no schedule or the factor is out of range, or, when called, if the
 * step is not a whole number of at least 0.
 * @example
 * import { linearWarmup, scale } from 'tfjs-warmup/schedules';
 *
 * const rate = scale(linearWarmup({ peak: 1, warmupSteps: 2 }), 0.5);
 * [0, 1, 2].map(rate); // [0.25, 0.5, 0.5]
 */
export function scale(inner: AnySchedule, factor: number): ScheduleOf<ScaleSpec> {
  checkIsSchedule('scale', 'schedule', inner);
  checkAmount('scale', 'factor', factor);
  return schedule(
    frozenCopy({ kind: 'scale', schedule: inner.spec, factor }),
    (step) => factor * inner(step),
  );
}

/**
 * Schedules times each other, such as a warmup on top of a decay.
 *
 * schedules[0](t) schedules[1](t) ...
 *
 * @param schedules - At least one schedule.
 * @returns The schedule.
 * @throws {Error} if there is none or one is no schedule, or, when called, if the step is not a
 * whole number of at least 0.
 * @example
 * import { linearWarmup, product, ramp } from 'tfjs-warmup/schedules';
 *
 * const decay = ramp({ from: 1, to: 0, steps: 4, shape: 'linear', phase: 'out' });
 * const rate = product(linearWarmup({ peak: 1, warmupSteps: 2 }), decay);
 * [0, 1, 2, 3, 4].map(rate); // [0.5, 0.75, 0.5, 0.25, 0]
 */
export function product(...schedules: AnySchedule[]): ScheduleOf<ProductSpec> {
  check(schedules.length > 0, 'product', 'schedules', 'be at least one schedule', 'none');
  for (const [index, each] of schedules.entries())
    checkIsSchedule('product', `schedule ${index}`, each);
  return schedule(
    frozenCopy({ kind: 'product', schedules: schedules.map((each) => each.spec) }),
    (step) => schedules.reduce((value, each) => value * each(step), 1),
  );
}
