/** Schedules made of schedules: one after another, times a number, times each other. */

import { check, checkNames } from '../check.js';
import { checkAmount, frozenCopy, schedule, type Schedule, type ScheduleSpec } from './schedule.js';

/** One part of a {@link sequence} but the last: a schedule, and for how many steps it runs. */
export type SequencePart = { schedule: Schedule; steps: number };

/** {@link sequence} as plain JSON. */
export type SequenceSpec = {
  kind: 'sequence';
  parts: { schedule: ScheduleSpec; steps: number }[];
  last: ScheduleSpec;
};

/** {@link scale} as plain JSON. */
export type ScaleSpec = { kind: 'scale'; schedule: ScheduleSpec; factor: number };

/** {@link product} as plain JSON. */
export type ProductSpec = { kind: 'product'; schedules: ScheduleSpec[] };

function checkIsSchedule(label: string, option: string, value: unknown): asserts value is Schedule {
  const spec: unknown = typeof value === 'function' && (value as Partial<Schedule>).spec;
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
 * @param parts Any number of `{ schedule, steps }`, steps a whole number of at least 0, and at the
 * end a schedule alone.
 * @throws Error if a part is not of that form, or, when called, if the step is not a whole number
 * of at least 0.
 * @see optax.join_schedules
 * @example
 * import { constant, linearWarmup, sequence } from 'tfjs-warmup/schedules';
 *
 * const rate = sequence({ schedule: linearWarmup({ peak: 1, warmupSteps: 2 }), steps: 3 }, constant(0.25));
 * [0, 1, 2, 3, 4].map(rate); // [0.5, 1, 1, 0.25, 0.25]
 */
export function sequence(...parts: [...SequencePart[], Schedule]): Schedule {
  const last = parts.at(-1) as Schedule;
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
 * @param inner A schedule.
 * @param factor At least 0.
 * @throws Error if `inner` is no schedule or the factor is out of range, or, when called, if the
 * step is not a whole number of at least 0.
 * @example
 * import { linearWarmup, scale } from 'tfjs-warmup/schedules';
 *
 * const rate = scale(linearWarmup({ peak: 1, warmupSteps: 2 }), 0.5);
 * [0, 1, 2].map(rate); // [0.25, 0.5, 0.5]
 */
export function scale(inner: Schedule, factor: number): Schedule {
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
 * @param schedules At least one schedule.
 * @throws Error if there is none or one is no schedule, or, when called, if the step is not a whole
 * number of at least 0.
 * @example
 * import { linearWarmup, product, ramp } from 'tfjs-warmup/schedules';
 *
 * const decay = ramp({ from: 1, to: 0, steps: 4, shape: 'linear', phase: 'out' });
 * const rate = product(linearWarmup({ peak: 1, warmupSteps: 2 }), decay);
 * [0, 1, 2, 3, 4].map(rate); // [0.5, 0.75, 0.5, 0.25, 0]
 */
export function product(...schedules: Schedule[]): Schedule {
  check(schedules.length > 0, 'product', 'schedules', 'be at least one schedule', 'none');
  for (const [index, each] of schedules.entries())
    checkIsSchedule('product', `schedule ${index}`, each);
  return schedule(
    frozenCopy({ kind: 'product', schedules: schedules.map((each) => each.spec) }),
    (step) => schedules.reduce((value, each) => value * each(step), 1),
  );
}
