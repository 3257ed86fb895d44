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
} from '../../src/schedules/index.js';
import { makers } from '../../src/schedules/spec.js';
import { allRows } from '../support/schedules.js';

// What a JavaScript caller may pass: anything.
type Loose = (...values: any[]) => unknown;
const rate = constant(1);
const warm = { peak: 1, warmupSteps: 10 };
const cosine = { peak: 1, warmupSteps: 10, totalSteps: 100 };
const decay = { peak: 1, warmupSteps: 10, totalSteps: 100, cooldownSteps: 20 };
const sides = { peak: 1, totalSteps: 100, warmupFraction: 0.1 };
const inward = { from: 0, to: 1, steps: 10, shape: 'linear', phase: 'in' };
const outward = { from: 1, to: 0, steps: 10, shape: 'linear', phase: 'out' };
const plain = (step: number): number => step;
const kinds =
  'linear, cosine, mirrorCosine, oneMinusSqrt, oneMinusSquare, sqrtOfRemaining, ' +
  'squareOfRemaining, geometric, power, exponential';

const shown = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : `${value}`);

const cases: [make: Loose, values: unknown[], message: string][] = [
  [constant, [-1], 'constant: value must lie in [0, Infinity), got -1'],
  [constant, [Number.NaN], 'constant: value must lie in [0, Infinity), got NaN'],
  [constant, ['0.1'], "constant: value must lie in [0, Infinity), got '0.1'"],
  [constant, [undefined], 'constant: value must lie in [0, Infinity), got undefined'],
  [constant, [Infinity], 'constant: value must lie in [0, Infinity), got Infinity'],

  [
    linearWarmup,
    [],
    'linearWarmup: options must be an object with peak, warmupSteps, from, got undefined',
  ],
  [
    linearWarmup,
    [null],
    'linearWarmup: options must be an object with peak, warmupSteps, from, got null',
  ],
  [
    linearWarmup,
    [{ ...warm, warmup: 3 }],
    "linearWarmup: unknown option 'warmup', allowed are peak, warmupSteps, from",
  ],
  [
    linearWarmup,
    [{ warmupSteps: 10 }],
    'linearWarmup: peak must lie in [0, Infinity), got undefined',
  ],
  [
    linearWarmup,
    [{ ...warm, peak: -0.1 }],
    'linearWarmup: peak must lie in [0, Infinity), got -0.1',
  ],
  [
    linearWarmup,
    [{ ...warm, peak: plain }],
    'linearWarmup: peak must lie in [0, Infinity), got a function',
  ],
  [
    linearWarmup,
    [{ peak: 1 }],
    'linearWarmup: warmupSteps must be a whole number in [0, Infinity), got undefined',
  ],
  [
    linearWarmup,
    [{ ...warm, warmupSteps: 1.5 }],
    'linearWarmup: warmupSteps must be a whole number in [0, Infinity), got 1.5',
  ],
  [
    linearWarmup,
    [{ ...warm, warmupSteps: -1 }],
    'linearWarmup: warmupSteps must be a whole number in [0, Infinity), got -1',
  ],
  [
    linearWarmup,
    [{ ...warm, warmupSteps: Infinity }],
    'linearWarmup: warmupSteps must be a whole number in [0, Infinity), got Infinity',
  ],
  [linearWarmup, [{ ...warm, from: 2 }], 'linearWarmup: from must lie in [0, 1], got 2'],
  [linearWarmup, [{ ...warm, from: -1 }], 'linearWarmup: from must lie in [0, 1], got -1'],
  [linearWarmup, [{ ...warm, from: null }], 'linearWarmup: from must lie in [0, 1], got null'],
  [cosineWarmup, [{ ...warm, from: 2 }], 'cosineWarmup: from must lie in [0, 1], got 2'],
  [
    cosineWarmup,
    [{ ...warm, floor: 0 }],
    "cosineWarmup: unknown option 'floor', allowed are peak, warmupSteps, from",
  ],

  [
    exponentialWarmup,
    [{ peak: 1 }],
    'exponentialWarmup: either rate or warmupSteps and timeConstant must be given, got [undefined,undefined,undefined]',
  ],
  [
    exponentialWarmup,
    [{ peak: 1, rate: 1, warmupSteps: 2 }],
    'exponentialWarmup: either rate or warmupSteps and timeConstant must be given, got [1,2,undefined]',
  ],
  [
    exponentialWarmup,
    [{ peak: 1, rate: 1, timeConstant: 2 }],
    'exponentialWarmup: either rate or warmupSteps and timeConstant must be given, got [1,undefined,2]',
  ],
  [
    exponentialWarmup,
    [{ peak: 1, rate: 0 }],
    'exponentialWarmup: rate must lie in (0, Infinity), got 0',
  ],
  [
    exponentialWarmup,
    [{ peak: 1, warmupSteps: 2 }],
    'exponentialWarmup: timeConstant must lie in (0, Infinity), got undefined',
  ],
  [
    exponentialWarmup,
    [{ peak: 1, timeConstant: 2 }],
    'exponentialWarmup: warmupSteps must be a whole number of at least 0, got undefined',
  ],
  [
    exponentialWarmup,
    [{ peak: 1, warmupSteps: 2, timeConstant: -1 }],
    'exponentialWarmup: timeConstant must lie in (0, Infinity), got -1',
  ],
  [
    exponentialWarmup,
    [{ peak: -1, rate: 1 }],
    'exponentialWarmup: peak must lie in [0, Infinity), got -1',
  ],
  [
    exponentialWarmup,
    [{ peak: 1, tau: 1 }],
    "exponentialWarmup: unknown option 'tau', allowed are peak, rate, warmupSteps, timeConstant",
  ],

  [
    warmupCosine,
    [{ ...cosine, peak: Number.NaN }],
    'warmupCosine: peak must lie in [0, Infinity), got NaN',
  ],
  [
    warmupCosine,
    [{ ...cosine, warmupSteps: 101 }],
    'warmupCosine: warmupSteps must be at most totalSteps, 100, got 101',
  ],
  [
    warmupCosine,
    [{ ...cosine, warmupSteps: -1 }],
    'warmupCosine: warmupSteps must be a whole number in [0, Infinity), got -1',
  ],
  [
    warmupCosine,
    [{ ...cosine, totalSteps: 1e3 + 0.5 }],
    'warmupCosine: totalSteps must be a whole number in [0, Infinity), got 1000.5',
  ],
  [warmupCosine, [{ ...cosine, floor: 1.1 }], 'warmupCosine: floor must lie in [0, 1], got 1.1'],
  [
    warmupCosine,
    [{ ...cosine, minimum: 0 }],
    "warmupCosine: unknown option 'minimum', allowed are peak, warmupSteps, totalSteps, floor",
  ],

  [wsd, [{ ...decay, peak: -1 }], 'wsd: peak must lie in [0, Infinity), got -1'],
  [
    wsd,
    [{ ...decay, totalSteps: '100' }],
    "wsd: totalSteps must be a whole number in [0, Infinity), got '100'",
  ],
  [
    wsd,
    [{ ...decay, warmupSteps: undefined }],
    'wsd: warmupSteps must be a whole number in [0, Infinity), got undefined',
  ],
  [
    wsd,
    [{ ...decay, cooldownSteps: 2.5 }],
    'wsd: cooldownSteps must be a whole number in [0, Infinity), got 2.5',
  ],
  [
    wsd,
    [{ ...decay, cooldownSteps: undefined }],
    'wsd: cooldownSteps or cooldownFraction must be given, and not both, got [undefined,undefined]',
  ],
  [
    wsd,
    [{ ...decay, cooldownFraction: 0.2 }],
    'wsd: cooldownSteps or cooldownFraction must be given, and not both, got [20,0.2]',
  ],
  [
    wsd,
    [{ ...decay, cooldownSteps: undefined, cooldownFraction: 1.2 }],
    'wsd: cooldownFraction must lie in [0, 1], got 1.2',
  ],
  [
    wsd,
    [{ ...decay, cooldownSteps: 91 }],
    "wsd: warmup and cooldown must fit into totalSteps, 100, got '10 + 91'",
  ],
  [wsd, [{ ...decay, floor: 2 }], 'wsd: floor must lie in [0, 1], got 2'],
  [
    wsd,
    [{ ...decay, cooldown: 'sqrt' }],
    `wsd: cooldown must be one of ${kinds}, loweredLinear, got 'sqrt'`,
  ],
  [
    wsd,
    [{ ...decay, cooldown: 'toString' }],
    `wsd: cooldown must be one of ${kinds}, loweredLinear, got 'toString'`,
  ],
  [
    wsd,
    [{ ...decay, cooldown: null }],
    `wsd: cooldown must be one of ${kinds}, loweredLinear, got null`,
  ],
  [
    wsd,
    [{ ...decay, cooldown: plain }],
    `wsd: cooldown must be one of ${kinds}, loweredLinear, got a function`,
  ],
  [
    wsd,
    [{ ...decay, cooldown: {} }],
    `wsd: cooldown must be one of ${kinds}, loweredLinear, got undefined`,
  ],
  [
    wsd,
    [{ ...decay, warmup: 'loweredLinear' }],
    `wsd: warmup must be one of ${kinds}, got 'loweredLinear'`,
  ],
  [
    wsd,
    [{ ...decay, cooldown: 'exponential' }],
    "wsd: cooldown must run between two values above 0 when it is 'exponential', got [0,1]",
  ],
  [
    wsd,
    [{ ...decay, cooldown: 'geometric' }],
    "wsd: cooldown must run between two values above 0 when it is 'geometric', got [0,1]",
  ],
  [
    wsd,
    [{ ...decay, warmup: 'geometric' }],
    "wsd: warmup must run between two values above 0 when it is 'geometric', got [0,1]",
  ],
  [
    wsd,
    [{ ...decay, warmup: 'exponential' }],
    'wsd: warmup exponential: rate must lie in (0, Infinity), got undefined',
  ],
  [
    wsd,
    [{ ...decay, cooldown: { kind: 'exponential', rate: -2 } }],
    'wsd: cooldown exponential: rate must lie in (0, Infinity), got -2',
  ],
  [
    wsd,
    [{ ...decay, cooldown: 'power' }],
    'wsd: cooldown power: exponent must lie in (0, Infinity), got undefined',
  ],
  [
    wsd,
    [{ ...decay, cooldown: { kind: 'power', exponent: 0 } }],
    'wsd: cooldown power: exponent must lie in (0, Infinity), got 0',
  ],
  [
    wsd,
    [{ ...decay, cooldown: { kind: 'power', power: 2 } }],
    "wsd: cooldown power: unknown option 'power', allowed are kind, exponent",
  ],
  [
    wsd,
    [{ ...decay, cooldown: { kind: 'linear', start: 2 } }],
    "wsd: cooldown linear: unknown option 'start', allowed are kind",
  ],
  [
    wsd,
    [{ ...decay, cooldown: { kind: 'loweredLinear', start: 1.5 } }],
    'wsd: cooldown loweredLinear: start must lie in (0, 1], got 1.5',
  ],
  [
    wsd,
    [{ ...decay, cooldwon: 'linear' }],
    "wsd: unknown option 'cooldwon', allowed are peak, totalSteps, warmupSteps, cooldownSteps, " +
      'cooldownFraction, cooldown, warmup, floor',
  ],

  [trapezoid, [{ ...sides, peak: null }], 'trapezoid: peak must lie in [0, Infinity), got null'],
  [
    trapezoid,
    [{ ...sides, totalSteps: 0.5 }],
    'trapezoid: totalSteps must be a whole number in [0, Infinity), got 0.5',
  ],
  [
    trapezoid,
    [{ ...sides, warmupFraction: 10 }],
    'trapezoid: warmupFraction must lie in [0, 1], got 10',
  ],
  [
    trapezoid,
    [{ ...sides, warmupFraction: undefined }],
    'trapezoid: warmupFraction must lie in [0, 1], got undefined',
  ],
  [
    trapezoid,
    [{ ...sides, cooldownFraction: -0.5 }],
    'trapezoid: cooldownFraction must lie in [0, 1], got -0.5',
  ],
  [
    trapezoid,
    [{ ...sides, warmupFraction: 0.75 }],
    'trapezoid: warmupFraction + cooldownFraction must be at most 1, got 1.25',
  ],
  [trapezoid, [{ ...sides, floor: 3 }], 'trapezoid: floor must lie in [0, 1], got 3'],
  [
    trapezoid,
    [{ ...sides, warmupSteps: 3 }],
    "trapezoid: unknown option 'warmupSteps', allowed are peak, totalSteps, warmupFraction, cooldownFraction, floor",
  ],

  [ramp, [{ ...inward, from: -1 }], 'ramp: from must lie in [0, Infinity), got -1'],
  [ramp, [{ ...inward, to: Infinity }], 'ramp: to must lie in [0, Infinity), got Infinity'],
  [ramp, [{ ...inward, steps: -3 }], 'ramp: steps must be a whole number in [0, Infinity), got -3'],
  [ramp, [{ ...inward, phase: 'up' }], "ramp: phase must be 'in' or 'out', got 'up'"],
  [ramp, [{ ...inward, phase: undefined }], "ramp: phase must be 'in' or 'out', got undefined"],
  [ramp, [{ ...inward, shape: undefined }], `ramp: shape must be one of ${kinds}, got undefined`],
  [
    ramp,
    [{ ...inward, shape: 'loweredLinear' }],
    `ramp: shape must be one of ${kinds}, got 'loweredLinear'`,
  ],
  [
    ramp,
    [{ ...inward, shape: 'geometric' }],
    "ramp: shape must run between two values above 0 when it is 'geometric', got [0,1]",
  ],
  [
    ramp,
    [{ ...outward, shape: 'exponential' }],
    "ramp: shape must run between two values above 0 when it is 'exponential', got [0,1]",
  ],
  [
    ramp,
    [{ ...inward, peak: 1 }],
    "ramp: unknown option 'peak', allowed are from, to, steps, shape, phase",
  ],

  [
    sequence,
    [],
    'sequence: the last part must be a schedule (a function of the step with a spec), got undefined',
  ],
  [
    sequence,
    [{ schedule: rate, steps: 2 }],
    'sequence: the last part must be a schedule (a function of the step with a spec), got [object Object]',
  ],
  [
    sequence,
    [rate, rate],
    'sequence: part 0: options must be an object with schedule, steps, got a function',
  ],
  [
    sequence,
    [{ schedule: plain, steps: 2 }, rate],
    'sequence: part 0: schedule must be a schedule (a function of the step with a spec), got a function',
  ],
  [
    sequence,
    [{ schedule: rate, steps: 2.5 }, rate],
    'sequence: part 0: steps must be a whole number in [0, Infinity), got 2.5',
  ],
  [
    sequence,
    [{ schedule: rate, step: 2 }, rate],
    "sequence: part 0: unknown option 'step', allowed are schedule, steps",
  ],
  [
    scale,
    [plain, 2],
    'scale: schedule must be a schedule (a function of the step with a spec), got a function',
  ],
  [scale, [rate, -2], 'scale: factor must lie in [0, Infinity), got -2'],
  [scale, [rate], 'scale: factor must lie in [0, Infinity), got undefined'],
  [product, [], "product: schedules must be at least one schedule, got 'none'"],
  [
    product,
    [rate, 2],
    'product: schedule 1 must be a schedule (a function of the step with a spec), got 2',
  ],

  [untunedLinear, [{ peak: 1, beta2: 1 }], 'untunedLinear: beta2 must lie in [0, 1), got 1'],
  [
    untunedLinear,
    [{ peak: 1, beta: 0.9 }],
    "untunedLinear: unknown option 'beta', allowed are peak, beta2",
  ],
  [
    untunedExponential,
    [{ peak: 1, beta2: -0.1 }],
    'untunedExponential: beta2 must lie in [0, 1), got -0.1',
  ],
  [
    untunedExponential,
    [{ peak: -1, beta2: 0.9 }],
    'exponentialWarmup: peak must lie in [0, Infinity), got -1',
  ],

  [scheduleFrom, [undefined], 'scheduleFrom: spec must be an object with a kind, got undefined'],
  [
    scheduleFrom,
    [{ kind: 'cyclic', peak: 1 }],
    `scheduleFrom: kind must be one of ${Object.keys(makers).join(', ')}, got 'cyclic'`,
  ],
  [scheduleFrom, [{ kind: 'toString' }], "got 'toString'"],
  [scheduleFrom, [{}], 'got undefined'],
  [
    scheduleFrom,
    [{ kind: 'linearWarmup', peak: 1, warmupSteps: 2, floor: 1 }],
    "linearWarmup: unknown option 'floor', allowed are peak, warmupSteps, from",
  ],
  [
    scheduleFrom,
    [{ kind: 'constant', value: 1, peak: 2 }],
    "constant: unknown option 'peak', allowed are value",
  ],
  [scheduleFrom, [{ kind: 'scale', schedule: { kind: 'cyclic' }, factor: 1 }], "got 'cyclic'"],
  [
    scheduleFrom,
    [{ kind: 'scale', schedule: rate.spec, factor: 1, by: 2 }],
    "scale: unknown option 'by', allowed are schedule, factor",
  ],
  [
    scheduleFrom,
    [{ kind: 'product', schedules: rate.spec }],
    'scheduleFrom: schedules of a product must be an array, got [object Object]',
  ],
  [
    scheduleFrom,
    [{ kind: 'product', schedules: [], schedule: 1 }],
    "product: unknown option 'schedule', allowed are schedules",
  ],
  [
    scheduleFrom,
    [{ kind: 'sequence', last: rate.spec }],
    'scheduleFrom: parts of a sequence must be an array, got undefined',
  ],
  [
    scheduleFrom,
    [{ kind: 'sequence', parts: [null], last: rate.spec }],
    'scheduleFrom: spec must be an object with a kind, got undefined',
  ],
  [
    scheduleFrom,
    [{ kind: 'sequence', parts: [{ schedule: rate.spec, steps: -1 }], last: rate.spec }],
    'sequence: part 0: steps must be a whole number in [0, Infinity), got -1',
  ],
  [
    scheduleFrom,
    [{ kind: 'sequence', parts: [], last: rate.spec, first: 1 }],
    "sequence: unknown option 'first', allowed are parts, last",
  ],

  [checkSchedule, [3], 'checkSchedule: schedule must be a function of the step, got 3'],
  [
    checkSchedule,
    [plain, { bound: {} }],
    "checkSchedule: unknown option 'bound', allowed are steps, bounds, monotone, continuity, values, roundTrip",
  ],
  [
    checkSchedule,
    [plain, { bounds: { most: 1 } }],
    "checkSchedule: unknown option 'most', allowed are min, max",
  ],
  [
    checkSchedule,
    [plain, { bounds: { max: '1' } }],
    "checkSchedule: max must lie in (-Infinity, Infinity), got '1'",
  ],
  [
    checkSchedule,
    [plain, { steps: [5, 4] }],
    'checkSchedule: last of steps must be a whole number of at least 5, got 4',
  ],
  [
    checkSchedule,
    [plain, { steps: [-1, 4] }],
    'checkSchedule: first of steps must be a whole number of at least 0, got -1',
  ],
  [
    checkSchedule,
    [plain, { steps: 100 }],
    'checkSchedule: steps must be an array of the first and the last step, got 100',
  ],
  [
    checkSchedule,
    [plain, { monotone: 'rising' }],
    "checkSchedule: monotone must be 'increasing' or 'decreasing', got 'rising'",
  ],
  [
    checkSchedule,
    [plain, { continuity: -1 }],
    'checkSchedule: continuity must lie in [0, Infinity), got -1',
  ],
  [
    checkSchedule,
    [plain, { values: { 0: 1 } }],
    'checkSchedule: values must be an array of [step, value], got [object Object]',
  ],
  [
    checkSchedule,
    [plain, { values: [3] }],
    'checkSchedule: values must be an array of [step, value], got [3]',
  ],
  [
    checkSchedule,
    [plain, { values: [[0.5, 3]] }],
    'checkSchedule: step of values must be a whole number of at least 0, got 0.5',
  ],
  [
    checkSchedule,
    [plain, { values: [[2, '3']] }],
    "checkSchedule: value at step 2 must lie in (-Infinity, Infinity), got '3'",
  ],
  [
    checkSchedule,
    [plain, { roundTrip: true }],
    'checkSchedule: roundTrip must be left out for a function without a spec, got true',
  ],
  [
    checkSchedule,
    [plain, { roundTrip: 1 }],
    'checkSchedule: roundTrip must be true or false, got 1',
  ],
];

describe('bad options', () => {
  it.each(cases.map(([make, values, message]) => ({ make, values, message })))(
    '$message',
    ({ make, values, message }) => {
      expect(() => make(...values)).toThrow(message);
    },
  );
});

describe('each schedule', () => {
  it.each(allRows)('$name is among the cases above', ({ name, make }) => {
    const found = cases.filter(([tested]) => tested === make);
    const advice = `add to \`cases\` what ${name} must refuse, and the message of the error`;
    expect(found.length, advice).toBeGreaterThanOrEqual(2);
  });

  // The others take numbers and schedules.
  const withOptions = allRows.filter(
    ({ samples: [[first]] }) => typeof first === 'object' && !('schedule' in first!),
  );

  it.each(withOptions)('$name names each option that is no number or name', ({ make, samples }) => {
    for (const [options] of samples as [object][]) {
      for (const option of Object.keys(options)) {
        const bad = { ...options, [option]: Number.NaN };
        expect(() => make(bad)).toThrow(new RegExp(`^\\w+: .*\\b${option}\\b.* must .*NaN`));
      }
    }
  });

  it.each(withOptions)('$name refuses an option that it does not know', (row) => {
    for (const [options] of row.samples as [object][]) {
      const bad = { ...options, unknwon: 1 };
      expect(() => row.make(bad)).toThrow(`${row.name}: unknown option 'unknwon', allowed are `);
    }
  });
});

describe('bad steps', () => {
  it.each(allRows.map(({ name, make, samples }) => ({ name, schedule: make(...samples[0]) })))(
    '$name refuses them, and names its kind',
    ({ schedule }) => {
      const { kind } = schedule.spec;
      for (const step of [-1, 0.5, Number.NaN, Infinity, undefined, '1', null]) {
        expect(() => schedule(step as number)).toThrow(
          `${kind}: step must be a whole number in [0, Infinity), got ${shown(step)}`,
        );
      }
    },
  );
});
