/**
 * From the plain-JSON form back to the schedule. Whoever imports this file carries every schedule.
 */

import { check, checkNames } from '../check.js';
import { product, scale, sequence } from './combine.js';
import { constant } from './constant.js';
import { cosineWarmup } from './cosine-warmup.js';
import { exponentialWarmup } from './exponential-warmup.js';
import { linearWarmup } from './linear-warmup.js';
import { ramp } from './ramp.js';
import type { Schedule, ScheduleSpec } from './schedule.js';
import { trapezoid } from './trapezoid.js';
import { warmupCosine } from './warmup-cosine.js';
import { wsd } from './wsd.js';

// Omit on a union keeps only what its members share.
type WithoutKind<Spec> = Spec extends unknown ? Omit<Spec, 'kind'> : never;
type Makers = {
  [Kind in ScheduleSpec['kind']]: (
    options: WithoutKind<Extract<ScheduleSpec, { kind: Kind }>>,
  ) => Schedule;
};

const label = 'scheduleFrom';

function checkList(option: string, value: unknown): void {
  check(Array.isArray(value), label, option, 'be an array', value);
}

const makers: Makers = {
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
      ...options.parts.map((part) => ({ ...part, schedule: scheduleFrom(part?.schedule) })),
      scheduleFrom(options.last),
    );
  },
  scale(options) {
    checkNames('scale', options, ['schedule', 'factor']);
    return scale(scheduleFrom(options.schedule), options.factor);
  },
  product(options) {
    checkNames('product', options, ['schedules']);
    checkList('schedules of a product', options.schedules);
    return product(...options.schedules.map(scheduleFrom));
  },
};

/**
 * The schedule that a spec describes: `scheduleFrom(JSON.parse(JSON.stringify(s.spec)))` gives the
 * very values of `s` and an equal spec.
 *
 * @param spec What `schedule.spec` holds, or the same written by hand; options with a default may
 * be left out.
 * @throws Error if the kind is unknown (it names the known ones) or an option of that kind is
 * unknown, missing or out of range.
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
  check(
    Object.hasOwn(makers, kind),
    label,
    'kind',
    `be one of ${Object.keys(makers).join(', ')}`,
    kind,
  );
  return (makers[kind] as (options: object) => Schedule)(options);
}
