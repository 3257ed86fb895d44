/**
 * One row for each schedule and each shape, from which the tests take their lists: sample
 * arguments, random schedules, the laws that they keep, the formula of the guide, bytes.
 *
 * A new schedule needs a row in `rows`, a new shape one in `shapes`: `complete.test.ts` says what
 * else is missing.
 */

import fc from 'fast-check';
import * as api from '../../src/schedules/index.js';
import type {
  CooldownShape,
  Schedule,
  ScheduleLaws,
  WarmupShape,
} from '../../src/schedules/index.js';

type Api = typeof api;

/** Exported functions that are no schedules. */
export const tools = ['checkSchedule', 'scheduleFrom'] as const;

/** Exported functions that make a schedule. */
type ScheduleName = Exclude<
  {
    [Name in keyof Api]: Api[Name] extends (...given: never[]) => unknown ? Name : never;
  }[keyof Api],
  (typeof tools)[number]
>;

type Arguments<Name extends ScheduleName> = Parameters<Api[Name]>;
type SpecOf<Name extends ScheduleName> = ReturnType<Api[Name]>['spec'];
type Formula = (step: number) => number;

type Row<Name extends ScheduleName> = {
  /** Typical arguments, of each form that the function takes. */
  samples: [Arguments<Name>, ...Arguments<Name>[]];
  /** Its formula as the guide prints it, in plain float64, for the samples. */
  formula: (...given: Arguments<Name>) => Formula;
  /** Random schedules, also of extreme sizes, and how many to try (300 unless given). */
  random: fc.Arbitrary<Schedule<SpecOf<Name>>>;
  runs?: number;
  /** The laws that each of the random schedules keeps to the last bit, by its spec. */
  laws: (spec: SpecOf<Name>) => ScheduleLaws[];
  /** What its import weighs at most, bundled and minified. */
  bytes: number;
  /** True if a shape can be chosen by its name, so that its bundle carries them all. */
  hasNamedShapes?: true;
};

// Random numbers

const rate = fc.double({ min: 0, max: Number.MAX_VALUE, noNaN: true });
const positive = fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true });
export const usual = fc.double({ min: 1e-12, max: 1e3, noNaN: true });
export const count = fc.oneof(fc.nat(4), fc.nat(300));

/** Two rates in order, often so close or so far apart that rounding shows. */
const pair = fc
  .oneof(
    fc.tuple(rate, rate),
    fc.tuple(usual, usual),
    fc
      .tuple(usual, fc.nat(8))
      .map(([value, ulps]): [number, number] => [value, value * (1 + ulps * Number.EPSILON)]),
    fc.tuple(
      fc.nat(16).map((halves) => halves / 2),
      fc.integer({ min: 2 ** 52, max: 2 ** 52 + 64 }),
    ),
  )
  .map(([a, b]): [low: number, high: number] => (a < b ? [a, b] : [b, a]));

// Shapes

type ShapeRow = {
  shape: CooldownShape;
  /** Where the cooldown from 1 ends: 0 unless the shape needs more. */
  floor?: number;
  /** The value of the cooldown as the papers print it, in its own progress x. */
  formula: (x: number) => number;
  /** The mean of the formula. */
  area: number;
};

/** Each kind of shape at least once; those with a parameter also with one. */
export const shapes: ShapeRow[] = [
  { shape: 'linear', formula: (x) => 1 - x, area: 0.5 },
  { shape: 'oneMinusSqrt', formula: (x) => 1 - Math.sqrt(x), area: 1 / 3 },
  { shape: 'oneMinusSquare', formula: (x) => 1 - x ** 2, area: 2 / 3 },
  { shape: { kind: 'power', exponent: 0.2 }, formula: (x) => 1 - x ** 0.2, area: 1 / 6 },
  { shape: 'cosine', formula: (x) => 0.5 * (1 + Math.cos(Math.PI * x)), area: 0.5 },
  {
    shape: 'mirrorCosine',
    formula: (x) => 2 * (1 - x) - 0.5 * (1 + Math.cos(Math.PI * x)),
    area: 0.5,
  },
  { shape: 'loweredLinear', formula: (x) => 0.7 * (1 - x), area: 0.35 },
  { shape: { kind: 'loweredLinear', start: 0.4 }, formula: (x) => 0.4 * (1 - x), area: 0.2 },
  { shape: 'sqrtOfRemaining', formula: (x) => Math.sqrt(1 - x), area: 2 / 3 },
  { shape: 'squareOfRemaining', formula: (x) => (1 - x) ** 2, area: 1 / 3 },
  {
    shape: { kind: 'exponential', rate: 3 },
    formula: (x) => (Math.exp(-3 * x) - Math.exp(-3)) / (1 - Math.exp(-3)),
    area: 1 / 3 - 1 / (Math.exp(3) - 1),
  },
  { shape: 'exponential', floor: 0.02, formula: (x) => 0.02 ** x, area: 0.98 / Math.log(50) },
  { shape: 'geometric', floor: 0.02, formula: (x) => 0.02 ** x, area: 0.98 / Math.log(50) },
];

/** The kind of a shape, written as a name or as an object. */
export const kindOf = (shape: CooldownShape): string =>
  typeof shape === 'string' ? shape : shape.kind;

/** The shapes that take no parameter and any two values. */
export const plainShapes = [
  'linear',
  'cosine',
  'mirrorCosine',
  'oneMinusSqrt',
  'oneMinusSquare',
  'sqrtOfRemaining',
  'squareOfRemaining',
] as const;

const parameter = fc.double({ min: 0.01, max: 100, noNaN: true });
/** Shapes between any two values. */
export const warmupShape: fc.Arbitrary<WarmupShape> = fc.oneof(
  fc.constantFrom(...plainShapes),
  parameter.map((exponent) => ({ kind: 'power' as const, exponent })),
  parameter.map((rate) => ({ kind: 'exponential' as const, rate })),
);
const lowered = fc.oneof(
  fc.constant('loweredLinear' as const),
  fc
    .double({ min: 0.01, max: 1, noNaN: true })
    .map((start) => ({ kind: 'loweredLinear' as const, start })),
);
export const cooldownShape: fc.Arbitrary<CooldownShape> = fc.oneof(warmupShape, lowered);

/** The shape of the samples as a formula: u of a warmup is f of the same cooldown backwards. */
function heightOf(shape: CooldownShape = 'linear'): (x: number) => number {
  return shapes.find((row) => row.shape === shape)!.formula;
}

// Formulas

type Ends = { from?: number; peak: number; warmupSteps: number };

const linearFormula =
  ({ from = 0, peak, warmupSteps }: Ends): Formula =>
  (t) =>
    from + (peak - from) * Math.min(1, (t + 1) / warmupSteps);

const saturating =
  (peak: number, rate: number): Formula =>
  (t) =>
    peak * (1 - Math.exp(-rate * (t + 1)));

/** Warmup of the shape u, peak, cooldown of the shape f, floor. */
function phasesFormula(
  { peak, floor = 0 }: { peak: number; floor?: number },
  steps: { warmup: number; cooldown: number; total: number },
  u: (x: number) => number,
  f: (x: number) => number,
): Formula {
  const start = steps.total - steps.cooldown;
  return (t) => {
    if (t < steps.warmup) return peak * u((t + 1) / steps.warmup);
    if (t < start) return peak;
    if (t < steps.total) return floor + (peak - floor) * f((t - start) / steps.cooldown);
    return floor;
  };
}

const identity = (x: number): number => x;
const rest = (x: number): number => 1 - x;

// Laws

function warmupLaws({ from, peak, warmupSteps }: Required<Ends>): ScheduleLaws[] {
  return [
    {
      steps: [0, warmupSteps + 3],
      bounds: { min: from, max: peak },
      monotone: 'increasing',
      values: [
        [Math.max(0, warmupSteps - 1), peak],
        [1e9, peak],
      ],
    },
  ];
}

function exponentialLaws(spec: api.ExponentialWarmupSpec): ScheduleLaws[] {
  if ('warmupSteps' in spec) return warmupLaws({ ...spec, from: 0 });
  return [{ steps: [0, 300], bounds: { min: 0, max: spec.peak }, monotone: 'increasing' }];
}

/** Up to the peak, down to the floor, no jump up at the end. */
function phasesLaws(
  { peak, floor, totalSteps }: { peak: number; floor: number; totalSteps: number },
  warmupSteps: number,
): ScheduleLaws[] {
  const whole: ScheduleLaws = {
    steps: [0, totalSteps + 3],
    bounds: { min: 0, max: peak },
    values: [
      [totalSteps, floor],
      [totalSteps + 1, floor],
      [1e9, floor],
    ],
  };
  const warmup: ScheduleLaws = {
    steps: [0, warmupSteps - 1],
    monotone: 'increasing',
    values: [[warmupSteps - 1, peak]],
  };
  const after: ScheduleLaws = {
    steps: [warmupSteps, totalSteps + 3],
    bounds: { min: floor, max: peak },
    monotone: 'decreasing',
  };
  return warmupSteps > 0 ? [whole, warmup, after] : [whole, after];
}

function rampLaws({ from, to, steps, shape, phase }: api.RampSpec): ScheduleLaws[] {
  const values: [step: number, value: number][] = [
    [steps, to],
    [1e9, to],
  ];
  if (steps > 0 && phase === 'in') values.push([steps - 1, to]);
  if (steps > 0 && phase === 'out' && kindOf(shape) !== 'loweredLinear') values.push([0, from]);
  return [
    {
      steps: [0, steps + 3],
      bounds: { min: Math.min(from, to), max: Math.max(from, to) },
      monotone: from <= to ? 'increasing' : 'decreasing',
      values,
    },
  ];
}

/** Each part of a sequence begins with its own step 0. */
function sequenceLaws({ parts, last }: api.SequenceSpec): ScheduleLaws[] {
  const values: [step: number, value: number][] = [];
  let start = 0;
  for (const { schedule, steps } of parts) {
    if (steps > 0) values.push([start, valueAt(schedule, 0)]);
    start += steps;
  }
  values.push([start, valueAt(last, 0)], [start + 7, valueAt(last, 7)]);
  return [{ steps: [0, start + 10], values }];
}

const valueAt = (spec: api.AnySpec, step: number): number =>
  api.scheduleFrom(spec as api.ScheduleSpec)(step);

/** Factors times warmups rise to the product of factors and peaks. */
const risingLaws = (peak: number): ScheduleLaws[] => [
  { steps: [0, 303], bounds: { min: 0, max: peak }, monotone: 'increasing', values: [[1e9, peak]] },
];

const wholeSteps = (fraction: number, total: number): number =>
  Math.floor(fraction * total * (1 + Number.EPSILON));

// Random schedules

const warmups = fc
  .tuple(pair, count)
  .map(([[from, peak], warmupSteps]) => ({ from, peak, warmupSteps }));
const saturatingWarmups = fc.oneof(
  fc.tuple(rate, positive).map(([peak, rate]) => api.exponentialWarmup({ peak, rate })),
  fc
    .tuple(rate, count, positive)
    .map(([peak, warmupSteps, timeConstant]) =>
      api.exponentialWarmup({ peak, warmupSteps, timeConstant }),
    ),
);
const untunedOptions = fc.record({
  peak: rate,
  beta2: fc.double({ min: 0, max: 0.99, noNaN: true }),
});

const rampEnds = fc
  .tuple(pair, fc.boolean())
  .map(([[low, high], up]) => (up ? { from: low, to: high } : { from: high, to: low }));
const rampsIn = fc
  .tuple(rampEnds, count, warmupShape)
  .map(([ends, steps, shape]) => api.ramp({ ...ends, steps, shape, phase: 'in' }));
const rampsOut = fc
  .tuple(rampEnds, count, cooldownShape)
  .map(([ends, steps, shape]) => api.ramp({ ...ends, steps, shape, phase: 'out' }));
const geometricRamps = fc.oneof(
  fc
    .tuple(positive, positive, count)
    .map(([from, to, steps]) => api.ramp({ from, to, steps, shape: 'geometric', phase: 'in' })),
  fc
    .tuple(positive, positive, count, fc.constantFrom('geometric' as const, 'exponential' as const))
    .map(([from, to, steps, shape]) => api.ramp({ from, to, steps, shape, phase: 'out' })),
);

const cosineDecays = fc
  .tuple(pair, count, count)
  .map(([[floor, peak], warmupSteps, more]) =>
    api.warmupCosine({ peak, floor, warmupSteps, totalSteps: warmupSteps + more || 1 }),
  );
const wsds = fc
  .tuple(pair, count, count, count, cooldownShape, warmupShape)
  .map(([[floor, peak], warmupSteps, plateau, cooldownSteps, cooldown, warmup]) =>
    api.wsd({
      peak,
      floor,
      warmupSteps,
      cooldownSteps,
      totalSteps: warmupSteps + plateau + cooldownSteps || 1,
      cooldown,
      warmup,
    }),
  );
const half = fc.double({ min: 0, max: 0.5, noNaN: true });
const trapezoids = fc
  .tuple(pair, fc.integer({ min: 1, max: 800 }), half, half)
  .map(([[floor, peak], totalSteps, warmupFraction, cooldownFraction]) =>
    api.trapezoid({ peak, floor, totalSteps, warmupFraction, cooldownFraction }),
  );

const single: fc.Arbitrary<Schedule> = fc.oneof(
  rate.map(api.constant),
  warmups.map(api.linearWarmup),
  warmups.map(api.cosineWarmup),
  saturatingWarmups,
  rampsIn,
  rampsOut,
  geometricRamps,
  cosineDecays,
  wsds,
  trapezoids,
);
/** Warmups whose products stay finite. */
export const gentle = fc
  .tuple(usual, count)
  .map(([peak, warmupSteps]) => api.cosineWarmup({ peak, warmupSteps }));
const peakOf = (spec: api.AnySpec): number => spec.peak as number;

// The table

const halfWarmup = { peak: 0.5, warmupSteps: 8 };
const linear = api.linearWarmup(halfWarmup);

const rows: { [Name in ScheduleName]: Row<Name> } = {
  constant: {
    samples: [[0.5]],
    formula: (value) => () => value,
    random: rate.map(api.constant),
    laws: ({ value }) => [{ steps: [0, 10], bounds: { min: value, max: value } }],
    bytes: 600,
  },
  linearWarmup: {
    samples: [[{ peak: 0.3, warmupSteps: 10 }], [{ peak: 0.3, warmupSteps: 10, from: 0.1 }]],
    formula: linearFormula,
    random: warmups.map(api.linearWarmup),
    laws: warmupLaws,
    bytes: 900,
  },
  cosineWarmup: {
    samples: [[{ peak: 0.3, warmupSteps: 10 }], [{ peak: 0.3, warmupSteps: 10, from: 0.1 }]],
    formula:
      ({ from = 0, peak, warmupSteps }) =>
      (t) =>
        from + ((peak - from) * (1 - Math.cos(Math.PI * Math.min(1, (t + 1) / warmupSteps)))) / 2,
    random: warmups.map(api.cosineWarmup),
    laws: warmupLaws,
    bytes: 950,
  },
  exponentialWarmup: {
    samples: [[{ peak: 0.3, rate: 0.1 }], [{ peak: 0.3, warmupSteps: 10, timeConstant: 4 }]],
    formula: (options) => {
      if ('rate' in options) return saturating(options.peak, options.rate);
      const { peak, warmupSteps, timeConstant } = options;
      const open = saturating(1, 1 / timeConstant);
      return (t) => (peak * open(Math.min(t, warmupSteps - 1))) / open(warmupSteps - 1);
    },
    random: saturatingWarmups,
    runs: 600,
    laws: exponentialLaws,
    bytes: 1750,
  },
  untunedLinear: {
    samples: [[{ peak: 0.3, beta2: 0.95 }]],
    formula: ({ peak, beta2 }) => linearFormula({ peak, warmupSteps: Math.round(2 / (1 - beta2)) }),
    random: untunedOptions.map(api.untunedLinear),
    laws: warmupLaws,
    bytes: 1350,
  },
  untunedExponential: {
    samples: [[{ peak: 0.3, beta2: 0.95 }]],
    formula: ({ peak, beta2 }) => saturating(peak, 1 - beta2),
    random: untunedOptions.map(api.untunedExponential),
    laws: exponentialLaws,
    bytes: 1950,
  },
  warmupCosine: {
    samples: [
      [{ peak: 0.3, warmupSteps: 10, totalSteps: 100 }],
      [{ peak: 0.3, warmupSteps: 0, totalSteps: 100, floor: 0.1 }],
    ],
    formula: ({ warmupSteps, totalSteps, ...ends }) => {
      const steps = { warmup: warmupSteps, cooldown: totalSteps - warmupSteps, total: totalSteps };
      return phasesFormula(ends, steps, identity, heightOf('cosine'));
    },
    random: cosineDecays,
    runs: 400,
    laws: (spec) => phasesLaws(spec, spec.warmupSteps),
    bytes: 1400,
  },
  wsd: {
    samples: [
      [{ peak: 0.3, warmupSteps: 10, totalSteps: 100, cooldownSteps: 20 }],
      [
        {
          peak: 0.3,
          warmupSteps: 10,
          totalSteps: 100,
          cooldownFraction: 0.4,
          cooldown: 'oneMinusSqrt',
          warmup: 'cosine',
          floor: 0.1,
        },
      ],
    ],
    formula: ({ warmupSteps, totalSteps, cooldown, warmup, ...ends }) => {
      const lengths =
        'cooldownSteps' in ends ? ends.cooldownSteps : ends.cooldownFraction * totalSteps;
      const steps = { warmup: warmupSteps, cooldown: lengths, total: totalSteps };
      const backwards = heightOf(warmup);
      return phasesFormula(ends, steps, (x) => backwards(1 - x), heightOf(cooldown));
    },
    random: wsds,
    runs: 600,
    laws: (spec) => phasesLaws(spec, spec.warmupSteps),
    bytes: 3650,
    hasNamedShapes: true,
  },
  trapezoid: {
    samples: [
      [{ peak: 0.3, totalSteps: 100, warmupFraction: 0.1 }],
      [{ peak: 0.3, totalSteps: 100, warmupFraction: 0.1, cooldownFraction: 0.2, floor: 0.1 }],
    ],
    formula: ({ totalSteps, warmupFraction, cooldownFraction = 0.5, ...ends }) => {
      const [warmup, cooldown] = [warmupFraction * totalSteps, cooldownFraction * totalSteps];
      return phasesFormula(ends, { warmup, cooldown, total: totalSteps }, identity, rest);
    },
    random: trapezoids,
    runs: 400,
    laws: (spec) => phasesLaws(spec, wholeSteps(spec.warmupFraction, spec.totalSteps)),
    bytes: 1750,
  },
  ramp: {
    samples: [
      [{ from: 0.1, to: 0.4, steps: 10, shape: 'squareOfRemaining', phase: 'in' }],
      [{ from: 0.4, to: 0, steps: 10, shape: 'loweredLinear', phase: 'out' }],
    ],
    formula: ({ from, to, steps, shape, phase }) => {
      const f = heightOf(shape);
      if (phase === 'in')
        return (t) => from + (to - from) * (t + 1 < steps ? f(1 - (t + 1) / steps) : 1);
      return (t) => to + (from - to) * (t < steps ? f(t / steps) : 0);
    },
    random: fc.oneof(rampsIn, rampsOut, geometricRamps),
    runs: 1500,
    laws: rampLaws,
    bytes: 2850,
    hasNamedShapes: true,
  },
  sequence: {
    samples: [[{ schedule: linear, steps: 5 }, api.constant(0.1)], [linear]],
    formula: (...parts) => {
      if (parts.length === 1) return linearFormula(halfWarmup);
      return (t) => (t < 5 ? linearFormula(halfWarmup)(t) : 0.1);
    },
    random: fc
      .tuple(fc.array(fc.record({ schedule: single, steps: count }), { maxLength: 4 }), single)
      .map(([parts, last]) => api.sequence(...parts, last)),
    laws: sequenceLaws,
    bytes: 1700,
  },
  scale: {
    samples: [[linear, 0.5]],
    formula: (_, factor) => (t) => factor * linearFormula(halfWarmup)(t),
    random: fc.tuple(gentle, usual).map(([inner, factor]) => api.scale(inner, factor)),
    laws: ({ schedule, factor }) => risingLaws(factor * peakOf(schedule)),
    bytes: 1250,
  },
  product: {
    samples: [[linear, linear]],
    formula: () => (t) => linearFormula(halfWarmup)(t) ** 2,
    random: fc
      .array(gentle, { minLength: 1, maxLength: 3 })
      .map((schedules) => api.product(...schedules)),
    laws: ({ schedules }) =>
      risingLaws(schedules.reduce((product, spec) => product * peakOf(spec), 1)),
    bytes: 1400,
  },
};

export const names = Object.keys(rows) as ScheduleName[];

/** A row as the tests use it: they call each schedule with arguments of its own. */
type AnyRow = {
  name: ScheduleName;
  make: (...given: unknown[]) => Schedule;
  samples: unknown[][];
  formula: (...given: unknown[]) => Formula;
  random: fc.Arbitrary<Schedule>;
  runs: number;
  laws: (spec: api.ScheduleSpec) => ScheduleLaws[];
  bytes: number;
  hasNamedShapes: boolean;
};

export const allRows = names.map(
  (name) =>
    ({
      runs: 300,
      hasNamedShapes: false,
      ...rows[name],
      name,
      make: api[name],
    }) as unknown as AnyRow,
);

/** Random schedules of all kinds, and some deeper in each other. */
export const anySchedule: fc.Arbitrary<Schedule> = fc.oneof(
  ...allRows.map(({ random }) => random),
  fc
    .tuple(gentle, count, gentle, usual)
    .map(([first, steps, second, factor]) =>
      api.scale(api.product(api.sequence({ schedule: first, steps }, second), second), factor),
    ),
);
