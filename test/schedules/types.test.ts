/** What TypeScript knows of a schedule: `tsc` checks these, the test itself only runs them. */

import { expect, expectTypeOf, it } from 'vitest';
import type { LearningRate } from '../../src/optimizers/learning-rate.js';
import {
  constant,
  linearWarmup,
  scheduleFrom,
  sequence,
  wsd,
  type LinearWarmupSpec,
  type Schedule,
  type ScheduleSpec,
} from '../../src/schedules/index.js';

const warm = { peak: 1, warmupSteps: 2 };

it('a function gives the type of its spec, which `Schedule` alone takes', () => {
  const rise = linearWarmup(warm);
  expectTypeOf(rise).toEqualTypeOf<Schedule<LinearWarmupSpec>>();
  expectTypeOf(rise.spec.warmupSteps).toBeNumber();
  expectTypeOf(rise).toExtend<Schedule>();
  expectTypeOf<Schedule>().toExtend<LearningRate>();
  expectTypeOf<Schedule['spec']>().toEqualTypeOf<ScheduleSpec>();

  let any: Schedule = rise;
  expect(scheduleFrom(any.spec)(0)).toBe(0.5);
  any = wsd({ ...warm, totalSteps: 9, cooldownSteps: 3, cooldown: { kind: 'power', exponent: 2 } });
  any = sequence({ schedule: any, steps: 2 }, sequence(constant(3)));
  expect(any(2)).toBe(3);
});

it('a spec written by hand is checked by its kind', () => {
  const inner = { kind: 'linearWarmup', ...warm };
  expect(scheduleFrom({ kind: 'scale', schedule: inner, factor: 2 })(0)).toBe(1);
  const { spec } = scheduleFrom({ kind: 'constant', value: 3 });
  expect(spec.kind === 'constant' && spec.value).toBe(3);
  // @ts-expect-error: no such kind
  expect(() => scheduleFrom({ kind: 'constnat', value: 3 })).toThrow('kind must be one of');
  // @ts-expect-error: no warmupSteps
  expect(() => scheduleFrom({ kind: 'linearWarmup', peak: 1, from: 0 })).toThrow(
    'warmupSteps must',
  );
});
