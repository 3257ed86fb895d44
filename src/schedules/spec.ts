/**
 * All kinds of schedule: the union of their plain-JSON forms, and the way from such a form back to
 * the schedule. Whoever imports this file carries every schedule.
 */

import { check, checkNames } from '../check.js';
import {
  product,
  scale,
  sequence,
  type ProductSpec,
  type ScaleSpec,
  type SequenceSpec,
} from './combine.js';
import { constant, type ConstantSpec } from './constant.js';
import { cosineWarmup, type CosineWarmupSpec } from './cosine-warmup.js';
import { exponentialWarmup, type ExponentialWarmupSpec } from './exponential-warmup.js';
import { linearWarmup, type LinearWarmupSpec } from './linear-warmup.js';
import { ramp, type RampSpec } from './ramp.js';
import type { AnySpec, ScheduleOf } from './schedule.js';
import { trapezoid, type TrapezoidSpec } from './trapezoid.js';
import { warmupCosine, type WarmupCosineSpec } from './warmup-cosine.js';
import { wsd, type WsdSpec } from './wsd.js';

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
 * description in `spec`: of one kind, or of any kind in this library where none is named.
 *
 * Throws an error for a step that is not a whole number of at least 0.
 */
export type Schedule<S extends ScheduleSpec = ScheduleSpec> = ScheduleOf<S>;

type SpecOf<Kind> = Extract<ScheduleSpec, { kind: Kind }>;
// Omit on a union keeps only what its members share.
type WithoutKind<Spec> = Spec extends unknown ? Omit<Spec, 'kind'> : never;
type Makers = {
  [Kind in ScheduleSpec['kind']]: (options: WithoutKind<SpecOf<Kind>>) => ScheduleOf<SpecOf<Kind>>;
};

const label = 'scheduleFrom';

function checkList(option: string, value: unknown): void {
  check(Array.isArray(value), label, option, 'be an array', value);
}

/** What makes a schedule of each kind from the rest of its spec. */
export const makers: Makers = {
  constant(options) {
    checkNames('constant', options, ['value']);
    return constant(options.value);
  },
  ramp,
  linearWarmup,
  exponentialWarmup,
  cosineWarmup,
  warmupCosine,
  wsd,
  trapezoid,
  sequence(options) {
    checkNames('sequence', options, ['parts', 'last']);
    checkList('parts of a sequence', options.parts);
    return sequence(
      ...options.parts.map((part) => ({ ...part, schedule: innerSchedule(part?.schedule) })),
      innerSchedule(options.last),
    );
  },
  scale(options) {
    checkNames('scale', options, ['schedule', 'factor']);
    return scale(innerSchedule(options.schedule), options.factor);
  },
  product(options) {
    checkNames('product', options, ['schedules']);
    checkList('schedules of a product', options.schedules);
    return product(...options.schedules.map(innerSchedule));
  },
};

/** Makes a schedule of a user's own kind from its whole spec. */
export type ScheduleMaker = (spec: AnySpec) => (step: number) => number;

/** What makes the schedules of users, by kind. */
const registered = new Map<string, ScheduleMaker>();

/** Lets `scheduleFrom` make a user's own kind of schedule. */
export const registerSchedule = (kind: string, maker: ScheduleMaker): void => {
  registered.set(kind, maker);
};

function ownSchedule(spec: AnySpec, maker: ScheduleMaker): Schedule {
  const made: unknown = maker(spec);
  check(typeof made === 'function', label, spec.kind, 'be made into a schedule', made);
  return made as Schedule;
}

/** A spec inside another: which kinds there are is checked when the schedule is made. */
function innerSchedule(spec: AnySpec): Schedule {
  return scheduleFrom(spec as ScheduleSpec);
}

/**
 * The schedule that a spec describes: `scheduleFrom(JSON.parse(JSON.stringify(s.spec)))` gives the
 * very values of `s` and an equal spec.
 *
 * @param spec - What `schedule.spec` holds, or the same written by hand; options with a default may
 * be left out.
 * @returns The schedule.
 * @throws {Error} if the kind is unknown (it names the known ones) or an option of that kind is
 * unknown, missing or out of range. Kinds of your own are known after `registerOptimizers({
 * schedules })`.
 * @example
 * import { scheduleFrom, wsd } from 'tfjs-warmup/schedules';
 *
 * const rate = wsd({ peak: 1, totalSteps: 10, warmupSteps: 2, cooldownFraction: 0.5 });
 * const saved = JSON.stringify(rate.spec);
 * scheduleFrom(JSON.parse(saved))(7) === rate(7); // true
 */
export function scheduleFrom(spec: ScheduleSpec): Schedule {
  check(typeof spec === 'object' && spec !== null, label, 'spec', 'be an object with a kind', spec);
  const { kind, ...options } = spec;
  const maker = registered.get(kind);
  if (maker) return ownSchedule(spec, maker);
  const kinds = [...Object.keys(makers), ...registered.keys()];
  check(kinds.includes(kind), label, 'kind', `be one of ${kinds.join(', ')}`, kind);
  return (makers[kind] as (options: object) => Schedule)(options);
}
