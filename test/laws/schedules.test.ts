/**
 * Laws of the schedules, over random options of extreme sizes, through the checker that users get.
 */

import type { serialization } from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkSchedule,
  constant,
  cosineWarmup,
  exponentialWarmup,
  linearWarmup,
  product,
  ramp,
  scale,
  scheduleFrom,
  sequence,
  trapezoid,
  untunedExponential,
  untunedLinear,
  warmupCosine,
  wsd,
  type Schedule,
  type ScheduleSpec,
  type WarmupShape,
} from '../../src/schedules/index.js';
import {
  allRows,
  anySchedule,
  gentle,
  plainShapes,
  shapes,
  usual,
  warmupShape,
} from '../support/schedules.js';

/** Runs `law` on many random values. */
function holds<Value>(
  values: fc.Arbitrary<Value>,
  law: (value: Value) => void,
  numRuns = 300,
): void {
  fc.assert(fc.property(values, law), { numRuns });
}

describe('bounds, direction and end points, to the last bit', () => {
  it.each(allRows)('$name', ({ random, laws, runs }) => {
    const check = (schedule: Schedule): void => {
      for (const law of laws(schedule.spec)) checkSchedule(schedule, law);
    };
    holds(random, check, runs);
  });
});

describe('formulas', () => {
  it.each(allRows)('$name is what the guide says', ({ make, samples, formula }) => {
    for (const given of samples) {
      const [schedule, wanted] = [make(...given), formula(...given)];
      for (let step = 0; step <= 120; step++)
        expect(Math.abs(schedule(step) - wanted(step))).toBeLessThan(1e-14);
    }
  });
});

describe('conventions', () => {
  it('rounding takes no value past the peak, and leaves none short of it', () => {
    // low + (high - low) misses high: by one too many for the first pair, by one too few for the
    // second.
    for (const [from, peak] of [
      [1.5, 2 ** 52 + 3],
      [0.5, 2 ** 52 + 1],
    ]) {
      expect(from + (peak - from)).not.toBe(peak);
      for (const steps of [10, 1e9]) {
        for (const rate of [
          linearWarmup({ from, peak, warmupSteps: steps }),
          cosineWarmup({ from, peak, warmupSteps: steps }),
          ...plainShapes.map((shape) => ramp({ from, to: peak, steps, shape, phase: 'in' })),
        ]) {
          checkSchedule(rate, {
            steps: [steps - 10, steps],
            bounds: { min: from, max: peak },
            monotone: 'increasing',
            values: [[steps - 1, peak]],
          });
        }
        for (const shape of plainShapes) {
          checkSchedule(ramp({ from: peak, to: from, steps, shape, phase: 'out' }), {
            steps: [0, 10],
            bounds: { min: from, max: peak },
            values: [
              [0, peak],
              [steps, from],
            ],
          });
        }
      }
    }
  });

  it('the first step of a warmup is never wasted, however long it is', () => {
    for (const warmupSteps of [2, 1e3, 1e6, 1e9, 1e12]) {
      for (const warmup of [
        ...plainShapes,
        { kind: 'power', exponent: 0.5 },
        { kind: 'exponential', rate: 3 },
      ] as const) {
        const inward = ramp({ from: 0, to: 1, steps: warmupSteps, shape: warmup, phase: 'in' });
        expect(inward(0)).toBeGreaterThan(0);
        expect(wsd({ peak: 1, totalSteps: 4e12, warmupSteps, cooldownSteps: 1, warmup })(0)).toBe(
          inward(0),
        );
      }
      expect(linearWarmup({ peak: 3, warmupSteps })(0)).toBe(3 * (1 / warmupSteps));
      expect(linearWarmup({ peak: 3, from: 1, warmupSteps })(0)).toBe(1 + 2 * (1 / warmupSteps));
      expect(
        cosineWarmup({ peak: 1, warmupSteps })(0) / (Math.PI / 2 / warmupSteps) ** 2,
      ).toBeCloseTo(1, warmupSteps > 2 ? 5 : 0);
    }
  });

  it('the first step keeps its digits: 1 - sqrt(1 - x) is x / 2 there', () => {
    expect(
      ramp({ from: 0, to: 1, steps: 1e12, shape: 'oneMinusSqrt', phase: 'in' })(0),
    ).toBeCloseTo(5e-13, 22);
  });

  it('no warmup is no warmup', () => {
    for (const phase of ['in', 'out'] as const)
      expect(ramp({ from: 1, to: 3, steps: 0, shape: 'linear', phase })(0)).toBe(3);
    for (const warmupSteps of [0, 1]) {
      expect(linearWarmup({ peak: 3, warmupSteps })(0)).toBe(3);
      expect(cosineWarmup({ peak: 3, warmupSteps })(0)).toBe(3);
      expect(exponentialWarmup({ peak: 3, warmupSteps, timeConstant: 4 })(0)).toBe(3);
      expect(wsd({ peak: 3, totalSteps: 10, warmupSteps, cooldownSteps: 2 })(0)).toBe(3);
      expect(warmupCosine({ peak: 3, totalSteps: 10, warmupSteps })(0)).toBe(3);
    }
  });

  it('a cooldown starts at the peak, its last step is above the floor, and no cooldown is none', () => {
    const rate = wsd({ peak: 1, floor: 0.1, totalSteps: 100, warmupSteps: 10, cooldownSteps: 20 });
    expect([rate(79), rate(80), rate(81), rate(99), rate(100)]).toEqual([
      1,
      1,
      0.1 + 0.9 * 0.95,
      0.1 + 0.9 * 0.05,
      0.1,
    ]);
    const none = wsd({ peak: 1, floor: 0.1, totalSteps: 100, warmupSteps: 10, cooldownSteps: 0 });
    expect([none(99), none(100)]).toEqual([1, 0.1]);
  });

  it('the floor belongs to the cooldown alone', () => {
    expect(
      wsd({ peak: 1, floor: 0.5, totalSteps: 100, warmupSteps: 10, cooldownSteps: 20 })(0),
    ).toBe(0.1);
    expect(warmupCosine({ peak: 1, floor: 0.5, totalSteps: 100, warmupSteps: 10 })(0)).toBe(0.1);
    expect(trapezoid({ peak: 1, floor: 0.5, totalSteps: 100, warmupFraction: 0.1 })(0)).toBe(0.1);
  });

  it('fractions count whole steps, rounding errors forgiven', () => {
    const start = (rate: Schedule, totalSteps: number): number =>
      totalSteps - Array.from({ length: totalSteps }, (_, step) => rate(step)).lastIndexOf(1);
    for (const [fraction, total, steps] of [
      [0.29, 100, 29],
      [0.57, 100, 57],
      [0.5, 101, 50],
      [0.2, 1000, 200],
      [0.999, 10, 9],
    ]) {
      expect(
        start(
          wsd({ peak: 1, totalSteps: total, warmupSteps: 0, cooldownFraction: fraction }),
          total,
        ),
      ).toBe(steps);
      expect(
        start(
          trapezoid({ peak: 1, totalSteps: total, warmupFraction: 0, cooldownFraction: fraction }),
          total,
        ),
      ).toBe(steps);
    }
    for (let hundredths = 0; hundredths <= 100; hundredths++) {
      for (const totalSteps of [1, 7, 99, 100, 101, 1e6 + 1]) {
        trapezoid({
          peak: 1,
          totalSteps,
          warmupFraction: hundredths / 100,
          cooldownFraction: 1 - hundredths / 100,
        });
      }
    }
  });

  it('trapezoid and warmupCosine are special cases of wsd', () => {
    const general = wsd({
      peak: 0.3,
      floor: 0.01,
      totalSteps: 200,
      warmupSteps: 20,
      cooldownFraction: 0.5,
    });
    const special = trapezoid({ peak: 0.3, floor: 0.01, totalSteps: 200, warmupFraction: 0.1 });
    const cosineOnly = wsd({
      peak: 0.3,
      floor: 0.01,
      totalSteps: 200,
      warmupSteps: 20,
      cooldownSteps: 180,
      cooldown: 'cosine',
    });
    const cosine = warmupCosine({ peak: 0.3, floor: 0.01, totalSteps: 200, warmupSteps: 20 });
    for (let step = 0; step < 205; step++) {
      expect(special(step)).toBe(general(step));
      expect(cosine(step)).toBe(cosineOnly(step));
    }
  });

  it('exponentialWarmup is 1 - e^(-rate (t + 1)), and that divided by its value at the end', () => {
    const k = 0.003;
    const open = exponentialWarmup({ peak: 2, rate: k });
    const ending = exponentialWarmup({ peak: 2, warmupSteps: 500, timeConstant: 1 / k });
    for (let step = 0; step < 500; step++) {
      expect(open(step)).toBeCloseTo(2 * (1 - Math.exp(-k * (step + 1))), 13);
      expect(ending(step)).toBeCloseTo(
        (2 * (1 - Math.exp(-k * (step + 1)))) / (1 - Math.exp(-k * 500)),
        13,
      );
    }
    expect(exponentialWarmup({ peak: 1, rate: 1e-20 })(0)).toBe(1e-20);
  });

  it('each part of a sequence counts from its own step 0, and empty parts are passed over', () => {
    const rise = linearWarmup({ peak: 1, warmupSteps: 4 });
    const fall = ramp({ from: 1, to: 0, steps: 4, shape: 'linear', phase: 'out' });
    const rate = sequence(
      { schedule: rise, steps: 4 },
      { schedule: constant(7), steps: 0 },
      { schedule: fall, steps: 2 },
      rise,
    );
    expect(Array.from({ length: 9 }, (_, step) => rate(step))).toEqual([
      0.25, 0.5, 0.75, 1, 1, 0.75, 0.25, 0.5, 0.75,
    ]);
    const parts = { schedule: rise as Schedule, steps: 4 };
    const kept = sequence(parts, fall);
    parts.schedule = fall;
    expect(kept(0)).toBe(0.25);
  });

  it('scale and product multiply', () => {
    holds(fc.tuple(gentle, gentle, usual, fc.nat(1000)), ([a, b, factor, step]) => {
      expect(scale(a, factor)(step)).toBe(factor * a(step));
      expect(product(a, b)(step)).toBe(a(step) * b(step));
    });
  });

  it('untuned warmups: 2000 and 40 steps; effective period tau / 2 and about tau', () => {
    const period = (rate: Schedule): number =>
      Array.from({ length: 40_000 }, (_, step) => 1 - rate(step)).reduce((a, b) => a + b);
    expect(untunedLinear({ peak: 1, beta2: 0.999 }).spec).toEqual({
      kind: 'linearWarmup',
      peak: 1,
      warmupSteps: 2000,
      from: 0,
    });
    expect(untunedLinear({ peak: 1, beta2: 0.95 }).spec).toMatchObject({ warmupSteps: 40 });
    expect(untunedLinear({ peak: 1, beta2: 0.9 }).spec).toMatchObject({ warmupSteps: 20 });
    expect(period(untunedLinear({ peak: 1, beta2: 0.999 }))).toBeCloseTo(999.5, 6);
    expect(period(untunedExponential({ peak: 1, beta2: 0.999 }))).toBeCloseTo(999.5, 0);
  });
});

describe('shapes', () => {
  const steps = 20_000;
  it.each(shapes)('cooldown $shape: formula and area', ({ shape, floor = 0, formula, area }) => {
    const rate = wsd({
      peak: 1,
      floor,
      totalSteps: steps,
      warmupSteps: 0,
      cooldownSteps: steps,
      cooldown: shape,
    });
    let sum = 0;
    let error = 0;
    for (let step = 0; step < steps; step++) {
      error = Math.max(error, Math.abs(rate(step) - formula(step / steps)));
      sum += rate(step);
    }
    expect(error).toBeLessThan(1e-13);
    expect(Math.abs(sum / steps - area)).toBeLessThan(1e-3);
  });

  it('cooldown exponential keeps a constant ratio; geometric is the same, and mirrored in a warmup', () => {
    const options = { peak: 2, floor: 0.02, totalSteps: 100, warmupSteps: 0, cooldownSteps: 100 };
    const rate = wsd({ ...options, cooldown: 'exponential' });
    const same = wsd({ ...options, cooldown: 'geometric' });
    const up = ramp({ from: 0.02, to: 2, steps: 100, shape: 'geometric', phase: 'in' });
    for (let step = 0; step < 100; step++) {
      expect(rate(step) / (2 * 0.01 ** (step / 100))).toBeCloseTo(1, 12);
      expect(same(step)).toBe(rate(step));
      expect(up(99 - step)).toBeCloseTo(rate(step), 12);
    }
    expect(
      ramp({ from: 1e-300, to: 1e300, steps: 4, shape: 'geometric', phase: 'in' })(1),
    ).toBeCloseTo(1, 9);
  });

  it('every shape of a warmup is its cooldown played backwards', () => {
    holds(fc.tuple(fc.integer({ min: 1, max: 300 }), warmupShape), ([steps, shape]) => {
      const back =
        typeof shape === 'object' && shape.kind === 'exponential'
          ? undefined
          : ramp({ from: 1, to: 0, steps, shape, phase: 'out' });
      const up = ramp({ from: 0, to: 1, steps, shape, phase: 'in' });
      if (back)
        for (let step = 0; step < steps; step++) expect(back(step)).toBe(up(steps - 1 - step));
    });
  });

  it('an exponential is fast first and saturates at the end, in a warmup and in a cooldown', () => {
    const shape = { kind: 'exponential', rate: 4 } as const;
    const up = ramp({ from: 0, to: 1, steps: 50, shape, phase: 'in' });
    const down = ramp({ from: 1, to: 0, steps: 50, shape, phase: 'out' });
    for (let step = 1; step < 50; step++) expect(down(step)).toBeCloseTo(1 - up(step - 1), 14);
    expect(up(24)).toBeCloseTo((1 - Math.exp(-2)) / (1 - Math.exp(-4)), 14);
  });

  it('mirrorCosine + cosine = 2 linear', () => {
    holds(fc.tuple(fc.integer({ min: 1, max: 1e6 }), fc.nat(1e6)), ([steps, step]) => {
      const at = (shape: WarmupShape): number =>
        ramp({ from: 0, to: 1, steps, shape, phase: 'in' })(step);
      expect(at('mirrorCosine') + at('cosine')).toBeCloseTo(2 * at('linear'), 15);
    });
  });

  it('linear, cosine and mirrorCosine are point-symmetric: f(1 - x) = 1 - f(x)', () => {
    for (const shape of ['linear', 'cosine', 'mirrorCosine'] as const) {
      const rate = ramp({ from: 0, to: 1, steps: 100, shape, phase: 'in' });
      for (let step = 0; step < 99; step++) expect(rate(98 - step)).toBeCloseTo(1 - rate(step), 14);
    }
  });

  it('the warmup "1-sqrt" is 1 - sqrt(1 - x)', () => {
    const rate = ramp({ from: 0, to: 1, steps: 100, shape: 'oneMinusSqrt', phase: 'in' });
    for (let step = 0; step < 100; step++)
      expect(rate(step)).toBeCloseTo(1 - Math.sqrt(1 - (step + 1) / 100), 14);
  });

  it('stay monotone where they are flattest, at the ends of very long phases', () => {
    for (const steps of [1e7, 1e9, 1e12]) {
      for (const shape of plainShapes) {
        const up = ramp({ from: 0, to: 1, steps, shape, phase: 'in' });
        for (const first of [0, Math.floor(steps / 2), steps - 2000]) {
          checkSchedule(up, {
            steps: [first, first + 2000],
            bounds: { min: 0, max: 1 },
            monotone: 'increasing',
          });
        }
      }
    }
  });
});

describe('continuity at the joins', () => {
  it('no neighboring steps are further apart than the steepest shape allows', () => {
    // mirrorCosine and oneMinusSquare are the steepest of these, with a slope of 2 at an end.
    const smooth = fc.constantFrom(
      'linear' as const,
      'cosine' as const,
      'mirrorCosine' as const,
      'oneMinusSquare' as const,
    );
    holds(
      fc.tuple(
        usual,
        fc.integer({ min: 20, max: 200 }),
        fc.nat(50),
        fc.integer({ min: 20, max: 200 }),
        smooth,
        smooth,
      ),
      ([peak, warmupSteps, plateau, cooldownSteps, cooldown, warmup]) => {
        const totalSteps = warmupSteps + plateau + cooldownSteps;
        const rate = wsd({ peak, totalSteps, warmupSteps, cooldownSteps, cooldown, warmup });
        checkSchedule(rate, {
          steps: [0, totalSteps + 2],
          continuity: 2.0001 / Math.min(warmupSteps, cooldownSteps),
        });
      },
    );
    checkSchedule(warmupCosine({ peak: 1, warmupSteps: 100, totalSteps: 1000 }), {
      steps: [0, 1002],
      continuity: 0.0101,
    });
    checkSchedule(trapezoid({ peak: 1, totalSteps: 1000, warmupFraction: 0.1 }), {
      steps: [0, 1002],
      continuity: 0.0101,
    });
  });

  it('loweredLinear is the one that jumps, by its name', () => {
    const rate = wsd({
      peak: 1,
      totalSteps: 1000,
      warmupSteps: 100,
      cooldownSteps: 200,
      cooldown: 'loweredLinear',
    });
    expect(() => checkSchedule(rate, { continuity: 0.02 })).toThrow(
      'continuity is broken, a jump of 0.30000000000000004 from step 799 to 800, 1 to 0.7, above 0.02',
    );
    checkSchedule(rate, {
      bounds: { min: 0, max: 1 },
      values: [
        [799, 1],
        [800, 0.7],
        [1000, 0],
      ],
    });
  });
});

describe('specs', () => {
  it('round-trip through JSON exactly: equal specs, identical values, frozen all the way down', () => {
    holds(
      anySchedule,
      (schedule) => {
        const back = scheduleFrom(JSON.parse(JSON.stringify(schedule.spec)));
        expect(back.spec).toEqual(schedule.spec);
        checkSchedule(schedule, { steps: [0, 700], roundTrip: true });
        expect(isFrozen(schedule.spec)).toBe(true);
      },
      500,
    );
  });

  it('write defaults out, take hand-written ones without them, and share nothing with the options', () => {
    expect(linearWarmup({ peak: 1, warmupSteps: 2, from: undefined }).spec).toEqual({
      kind: 'linearWarmup',
      peak: 1,
      warmupSteps: 2,
      from: 0,
    });
    const short = {
      kind: 'wsd',
      peak: 1,
      totalSteps: 9,
      warmupSteps: 2,
      cooldownSteps: 3,
    } as ScheduleSpec;
    expect(scheduleFrom(short).spec).toEqual({
      ...short,
      cooldown: 'linear',
      warmup: 'linear',
      floor: 0,
    });
    const cooldown = { kind: 'power' as const, exponent: 2 };
    const rate = wsd({ peak: 1, totalSteps: 9, warmupSteps: 2, cooldownSteps: 3, cooldown });
    cooldown.exponent = 3;
    expect(rate.spec).toMatchObject({ cooldown: { exponent: 2 } });
    expect(scheduleFrom(rate.spec)(7)).toBe(rate(7));
  });

  it('fit a tfjs config, and survive its change of case on saving and loading', () => {
    const snake = (text: string): string =>
      text
        .replaceAll(/(.)([A-Z][a-z0-9]+)/g, '$1_$2')
        .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
        .toLowerCase();
    const camel = (text: string): string =>
      text.replaceAll(/[_]+(\w|$)/g, (_, letter: string) => letter.toUpperCase());
    holds(anySchedule, ({ spec }) => {
      const config: serialization.ConfigDict = spec;
      expect(mapText(mapText(config, snake), camel)).toEqual(spec);
    });
  });
});

function isFrozen(json: unknown): boolean {
  return (
    Object.isFrozen(json) &&
    (typeof json !== 'object' || Object.values(json as object).every(isFrozen))
  );
}

function mapText(json: unknown, change: (text: string) => string): unknown {
  if (typeof json === 'string') return change(json);
  if (Array.isArray(json)) return json.map((each) => mapText(each, change));
  if (typeof json !== 'object') return json;
  return Object.fromEntries(
    Object.entries(json as object).map(([key, value]) => [change(key), mapText(value, change)]),
  );
}

describe('checkSchedule', () => {
  it('reports what it saw', () => {
    expect(checkSchedule((step) => 10 - step, { steps: [2, 6] })).toEqual({
      steps: 5,
      min: 4,
      max: 8,
      largestJump: 0.125,
      largestJumpStep: 3,
    });
    expect(checkSchedule((step) => (step < 3 ? -1 : 1), { steps: [0, 6] })).toEqual({
      steps: 7,
      min: -1,
      max: 1,
      largestJump: 2,
      largestJumpStep: 3,
    });
    expect(checkSchedule(constant(0))).toEqual({
      steps: 1001,
      min: 0,
      max: 0,
      largestJump: 0,
      largestJumpStep: 0,
    });
    expect(checkSchedule(constant(3), { steps: [5, 5] }).steps).toBe(1);
  });

  it.each<[string, (step: number) => number, Parameters<typeof checkSchedule>[1], string]>([
    ['a NaN', (step) => (step === 7 ? Number.NaN : 1), {}, 'finite is broken, step 7 gives NaN'],
    ['a division by step 0', (step) => 1 / step, {}, 'finite is broken, step 0 gives Infinity'],
    ['a string', (step) => `${step}` as never, {}, "finite is broken, step 0 gives '0'"],
    [
      'a value too small',
      (step) => 5 - step,
      { steps: [0, 9], bounds: { min: 0 } },
      'bounds is broken, step 6 gives -1, below the min of 0',
    ],
    [
      'a value too large',
      (step) => step,
      { bounds: { max: 5 } },
      'bounds is broken, step 6 gives 6, above the max of 5',
    ],
    [
      'a fall in a rise',
      (step) => (step === 9 ? 8 : step + 0.5),
      { monotone: 'increasing' },
      'monotone is broken, not increasing from step 8 to 9: 8.5, then 8',
    ],
    [
      'a rise in a fall',
      (step) => (step === 9 ? 1 : -step),
      { monotone: 'decreasing' },
      'monotone is broken, not decreasing from step 8 to 9: -8, then 1',
    ],
    [
      'a jump',
      (step) => (step < 50 ? 1 : 0.5),
      { continuity: 0.49 },
      'continuity is broken, a jump of 0.5 from step 49 to 50, 1 to 0.5, above 0.49',
    ],
    [
      'a wrong end',
      (step) => step / 100,
      { steps: [0, 9], values: [[100, 1.5]] },
      'values is broken, step 100 gives 1, not 1.5',
    ],
    [
      'a counter of its own',
      counter(),
      {},
      'pure is broken, step 1000 gave 1000, and 1001 when asked again',
    ],
    [
      'a memory of the last step',
      previous(),
      {},
      'pure is broken, step 1000 gave 999, and 1000 when asked again',
    ],
    [
      'a spec that is not the function',
      Object.assign((step: number) => step, { spec: constant(3).spec }),
      {},
      'roundTrip is broken, step 0 gives 0, and 3 after JSON',
    ],
    [
      'a spec that JSON changes',
      Object.assign(() => 3, { spec: { kind: 'linearWarmup', peak: 3, warmupSteps: 0 } as never }),
      {},
      'roundTrip is broken, the spec {"kind"',
    ],
    [
      'a spec of unknown kind',
      Object.assign(() => 3, { spec: { kind: 'mine' } as never }),
      {},
      'kind must be one of',
    ],
  ])('catches %s', (_, broken, laws, message) => {
    expect(() => checkSchedule(broken, laws)).toThrow(message);
  });

  it('takes a spec of unknown kind where roundTrip is false', () => {
    checkSchedule(
      Object.assign(() => 3, { spec: { kind: 'mine' } as never }),
      { roundTrip: false },
    );
  });

  it('catches the faults of other libraries, which our schedules cannot have', () => {
    // Falls to 0, then jumps up to the floor.
    const floor = 0.1;
    const clampedWsd = (step: number): number => {
      if (step < 800) return 1;
      return step < 1000 ? (1000 - step) / 200 : floor;
    };
    expect(() => checkSchedule(clampedWsd, { steps: [800, 1100], monotone: 'decreasing' })).toThrow(
      'not decreasing from step 999 to 1000: 0.005, then 0.1',
    );
    expect(() => checkSchedule(clampedWsd, { steps: [800, 1100], bounds: { min: floor } })).toThrow(
      'step 981 gives 0.095, below the min of 0.1',
    );
    checkSchedule(wsd({ peak: 1, floor, totalSteps: 1000, warmupSteps: 0, cooldownSteps: 200 }), {
      steps: [800, 1100],
      bounds: { min: floor, max: 1 },
      monotone: 'decreasing',
    });

    // Grows without bound after its end.
    const polynomial = (step: number): number => (1 - step / 100) ** 2;
    expect(() => checkSchedule(polynomial, { bounds: { min: 0, max: 1 } })).toThrow(
      'step 201 gives',
    );
    checkSchedule(ramp({ from: 1, to: 0, steps: 100, shape: 'squareOfRemaining', phase: 'out' }), {
      bounds: { min: 0, max: 1 },
      monotone: 'decreasing',
    });

    // Wastes step 0 at a rate of 0.
    const wasted = (step: number): number => Math.min(1, step / 100);
    expect(() => checkSchedule(wasted, { bounds: { min: Number.MIN_VALUE } })).toThrow(
      'step 0 gives 0, below the min',
    );
    checkSchedule(linearWarmup({ peak: 1, warmupSteps: 100 }), { bounds: { min: 0.01, max: 1 } });
  });
});

function counter(): () => number {
  let calls = 0;
  return () => calls++;
}

function previous(): (step: number) => number {
  let last = -1;
  return (step) => {
    const value = last;
    last = step;
    return value;
  };
}
