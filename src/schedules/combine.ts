/** Schedules made of schedules: one after another, times a number, times each other. */

import { checkNames, refuse } from '../check.js';
import { checkAmount, schedule, type AnySpec, type ScheduleOf } from './schedule.js';

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

/** A schedule inside another. */
type Inner = { readonly at: (step: number) => number; readonly spec: AnySpec };

/** How deep schedules may lie in each other: at each step every level takes a call in a call. */
export const deepestNesting = 1000;

/** How deep schedules lie in those that are made here, by their specs. */
const depths = /* @__PURE__ */ new WeakMap<AnySpec, number>();

/** Reads a schedule once; its spec cannot be changed by anyone. */
function readInner(label: string, option: string, value: unknown): Inner {
  const at = value as AnySchedule;
  const spec: unknown = typeof value === 'function' && at.spec;
  if (!(typeof spec === 'object' && spec !== null))
    refuse(label, option, 'be a schedule (a function of the step with a spec)', value);
  return { at, spec: frozen(label, option, spec as AnySpec) };
}

/** A spec of this library is frozen throughout; one that a user wrote may change later. */
function frozen(label: string, option: string, spec: AnySpec): AnySpec {
  if (Object.isFrozen(spec)) return spec;
  try {
    return JSON.parse(JSON.stringify(spec), (_, value) => Object.freeze(value)) as AnySpec;
  } catch {
    return refuse(label, option, 'have a spec that is plain JSON', spec);
  }
}

/** A schedule made of others; throws if they lie too deep in each other. */
function combined<S extends AnySpec>(
  spec: S,
  inner: readonly Inner[],
  at: (step: number) => number,
): ScheduleOf<S> {
  const depth = inner.reduce((most, { spec }) => Math.max(most, depths.get(spec) ?? 0), 0) + 1;
  if (depth > deepestNesting)
    refuse(spec.kind, 'schedules', `lie at most ${deepestNesting} deep in each other`, depth);
  depths.set(spec, depth);
  return schedule(spec, at);
}

/** A product may be too large for a number, and is then none if another factor is 0. */
function finiteAt(label: string, step: number, value: number): number {
  if (!Number.isFinite(value)) refuse(label, `the value at step ${step}`, 'be finite', value);
  return value;
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
  return sequenceOf(parts.slice(0, -1) as SequencePart[], parts.at(-1) as AnySchedule);
}

/** {@link sequence} of any number of parts: a call cannot take more than some ten thousands. */
export function sequenceOf(
  parts: readonly SequencePart[],
  last: AnySchedule,
): ScheduleOf<SequenceSpec> {
  const runs = parts.map((part, index) => {
    const label = `sequence: part ${index}`;
    checkNames(label, part, ['schedule', 'steps']);
    const { schedule, steps } = part;
    const inner = readInner(label, 'schedule', schedule);
    checkAmount(label, 'steps', steps, 1);
    return { ...inner, steps };
  });
  const end = readInner('sequence', 'the last part', last);
  const specs = runs.map(({ spec, steps }) => Object.freeze({ schedule: spec, steps }));
  return combined(
    { kind: 'sequence', parts: Object.freeze(specs) as typeof specs, last: end.spec },
    [...runs, end],
    (step) => {
      for (const { at, steps } of runs) {
        if (step < steps) return at(step);
        step -= steps;
      }
      return end.at(step);
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
 * step is not a whole number of at least 0 or the value is too large for a number.
 * @example
 * import { linearWarmup, scale } from 'tfjs-warmup/schedules';
 *
 * const rate = scale(linearWarmup({ peak: 1, warmupSteps: 2 }), 0.5);
 * [0, 1, 2].map(rate); // [0.25, 0.5, 0.5]
 */
export function scale(inner: AnySchedule, factor: number): ScheduleOf<ScaleSpec> {
  const { at, spec } = readInner('scale', 'schedule', inner);
  checkAmount('scale', 'factor', factor);
  return combined({ kind: 'scale', schedule: spec, factor }, [{ at, spec }], (step) =>
    finiteAt('scale', step, factor * at(step)),
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
 * whole number of at least 0 or the value is too large for a number.
 * @example
 * import { linearWarmup, product, ramp } from 'tfjs-warmup/schedules';
 *
 * const decay = ramp({ from: 1, to: 0, steps: 4, shape: 'linear', phase: 'out' });
 * const rate = product(linearWarmup({ peak: 1, warmupSteps: 2 }), decay);
 * [0, 1, 2, 3, 4].map(rate); // [0.5, 0.75, 0.5, 0.25, 0]
 */
export function product(...schedules: AnySchedule[]): ScheduleOf<ProductSpec> {
  return productOf(schedules);
}

/** {@link product} of any number of schedules: a call cannot take more than some ten thousands. */
export function productOf(schedules: readonly AnySchedule[]): ScheduleOf<ProductSpec> {
  if (schedules.length === 0) refuse('product', 'schedules', 'be at least one schedule', 'none');
  const inner = schedules.map((each, index) => readInner('product', `schedule ${index}`, each));
  const specs = inner.map(({ spec }) => spec);
  return combined(
    { kind: 'product', schedules: Object.freeze(specs) as AnySpec[] },
    inner,
    (step) => {
      let value = 1;
      for (const { at } of inner) value *= at(step);
      return finiteAt('product', step, value);
    },
  );
}
