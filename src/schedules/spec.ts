/**
 * All kinds of schedule: the union of their plain-JSON forms, and the way from such a form back to
 * the schedule. Whoever imports this file carries every schedule.
 */

import { check, checkNames } from '../check.js';
import {
  deepestNesting,
  productOf,
  scale,
  sequenceOf,
  type ProductSpec,
  type ScaleSpec,
  type SequencePart,
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
/** The schedule of a spec inside another. */
type MakeInner = (spec: AnySpec) => Schedule;
type Makers = {
  [Kind in ScheduleSpec['kind']]: (
    options: WithoutKind<SpecOf<Kind>>,
    inner: MakeInner,
  ) => ScheduleOf<SpecOf<Kind>>;
};

const label = 'scheduleFrom';

/** The items of a list, each made in its turn: a hole in it is undefined. */
function mapList<T, U>(option: string, list: readonly T[], make: (item: T) => U): U[] {
  check(Array.isArray(list), label, option, 'be an array', list);
  const made: U[] = [];
  for (const item of list) made.push(make(item));
  return made;
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
  sequence(options, inner) {
    checkNames('sequence', options, ['parts', 'last']);
    const parts = mapList('parts of a sequence', options.parts, (part) => {
      const given = part === null || typeof part !== 'object' ? part : ownOptions(part);
      return { ...(given as SequencePart), schedule: inner(given?.schedule as AnySpec) };
    });
    return sequenceOf(parts, inner(options.last));
  },
  scale(options, inner) {
    checkNames('scale', options, ['schedule', 'factor']);
    return scale(inner(options.schedule), options.factor);
  },
  product(options, inner) {
    checkNames('product', options, ['schedules']);
    return productOf(mapList('schedules of a product', options.schedules, inner));
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

/**
 * The options of an object as a plain object: its own and what its class has accessors for, each
 * read once. Nothing comes from Object.prototype.
 */
function ownOptions(object: object): Record<string, unknown> {
  const names = new Set(Object.keys(object));
  let prototype: object | null = Object.getPrototypeOf(object);
  // The last one is Object.prototype, perhaps that of another window.
  for (let next; prototype && (next = Object.getPrototypeOf(prototype)); prototype = next)
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(prototype)))
      if (get) names.add(name);
  return Object.fromEntries(
    [...names].map((name) => [name, (object as Record<string, unknown>)[name]]),
  );
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
  return new SpecReader().read(spec);
}

/** Makes the schedules of a spec and of those in it. */
class SpecReader {
  /** A spec that lies at many places gives one schedule. */
  readonly #made = new Map<AnySpec, Schedule>();
  #depth = 0;

  readonly read: MakeInner = (spec) => {
    check(
      typeof spec === 'object' && spec !== null,
      label,
      'spec',
      'be an object with a kind',
      spec,
    );
    const known = this.#made.get(spec);
    if (known) return known;
    // Where a spec lies in itself there is no end.
    const allowed = `lie at most ${deepestNesting} deep in each other, and not in themselves`;
    check(this.#depth <= deepestNesting, label, 'specs', allowed, `${this.#depth} levels`);
    this.#depth++;
    const made = this.#make(ownOptions(spec));
    this.#depth--;
    this.#made.set(spec, made);
    return made;
  };

  #make(spec: Record<string, unknown>): Schedule {
    const { kind, ...options } = spec;
    const maker = registered.get(kind as string);
    if (maker) return ownSchedule(spec as AnySpec, maker);
    const kinds = [...Object.keys(makers), ...registered.keys()];
    check(kinds.includes(kind as string), label, 'kind', `be one of ${kinds.join(', ')}`, kind);
    const make = makers[kind as ScheduleSpec['kind']] as (
      options: object,
      inner: MakeInner,
    ) => Schedule;
    return make(options, this.read);
  }
}
