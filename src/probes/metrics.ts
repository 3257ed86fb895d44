/**
 * The metrics of the update probe: which sums each needs of the update, and what it makes of them.
 */
import { mul, neuronSum, square, sub, tensorSum, type Expression } from '../compiler/expression.js';
import type { UpdateValues } from '../compiler/program.js';
import { angleFrom } from './angle.js';
import type { ReadSums, Signal } from './signal-averages.js';

/** The update dw, from the stored weights before and after. */
const change = ({ before, after }: UpdateValues): Expression => sub(after.w, before.w);

function momentumBefore({ rule, before }: UpdateValues): Expression {
  const { momentum } = rule.roles;
  if (momentum === undefined)
    throw new Error(
      `UpdateProbe: the rule ${rule.name} has no momentum, ` +
        'so gradientMomentumAlignment is not defined; ' +
        "name its slot in the rule's roles or leave the metric out",
    );
  return before[momentum];
}

function meanAfter({ rule, after }: UpdateValues): Expression {
  const { momentum, momentumDecay } = rule.roles;
  if (momentum === undefined || momentumDecay === undefined)
    throw new Error(
      `UpdateProbe: the rule ${rule.name} has no running mean of the gradient, ` +
        'so gradientSNR, noiseScale and criticalBatchSize are not defined; ' +
        "name momentum and momentumDecay in the rule's roles or leave the metrics out",
    );
  return after[momentum];
}

const sums = {
  weight: ({ before }) => tensorSum(square(before.w)),
  weightChange: (values) => tensorSum(mul(values.before.w, change(values))),
  change: (values) => tensorSum(square(change(values))),
  gradient: ({ g }) => tensorSum(square(g)),
  gradientWeight: ({ g, before }) => tensorSum(mul(g, before.w)),
  gradientMomentum: (values) => tensorSum(mul(values.g, momentumBefore(values))),
  momentum: (values) => tensorSum(square(momentumBefore(values))),
  // The momentum averages the scaled gradient: so does its power here.
  scaledGradient: ({ before }) => tensorSum(square(before.g)),
  mean: (values) => tensorSum(square(meanAfter(values))),
  neuronWeight: ({ before }) => neuronSum(square(before.w)),
  neuronWeightChange: (values) => neuronSum(mul(values.before.w, change(values))),
  neuronChange: (values) => neuronSum(square(change(values))),
} satisfies Record<string, (values: UpdateValues) => Expression>;

type SumName = keyof typeof sums;

type Metric = {
  readonly sums: readonly SumName[];
  readonly value: (read: ReadSums, signal: Signal, batchSize: number) => number | number[];
};

const signalSums: readonly SumName[] = ['scaledGradient', 'mean'];

const root = (sum: ArrayLike<number>): number => Math.sqrt(sum[0]);

/** The cosine between x and y, from the sums of x y, x^2 and y^2. */
const cosine = (xy: ArrayLike<number>, xx: ArrayLike<number>, yy: ArrayLike<number>): number =>
  xy[0] === 0 ? 0 : xy[0] / root(xx) / root(yy);

/** What `UpdateProbe` can read: see the guide to probes for the formulas. */
export type MetricName =
  | 'updateNorm'
  | 'relativeUpdate'
  | 'angularUpdate'
  | 'weightNorm'
  | 'gradientNorm'
  | 'gradientMomentumAlignment'
  | 'gradientWeightAlignment'
  | 'gradientSNR'
  | 'noiseScale'
  | 'criticalBatchSize'
  | 'neuronAngularUpdate';

const definitions = {
  updateNorm: {
    sums: ['change'],
    value: (read) => root(read.change),
  },
  relativeUpdate: {
    sums: ['change', 'weight'],
    value: (read) => Math.sqrt(read.change[0] / read.weight[0]),
  },
  angularUpdate: {
    sums: ['weight', 'weightChange', 'change'],
    value: (read) => angleFrom(read.weight[0], read.weightChange[0], read.change[0]),
  },
  weightNorm: {
    sums: ['weight'],
    value: (read) => root(read.weight),
  },
  gradientNorm: {
    sums: ['gradient'],
    value: (read) => root(read.gradient),
  },
  gradientMomentumAlignment: {
    sums: ['gradientMomentum', 'gradient', 'momentum'],
    value: (read) => cosine(read.gradientMomentum, read.gradient, read.momentum),
  },
  gradientWeightAlignment: {
    sums: ['gradientWeight', 'gradient', 'weight'],
    value: (read) => cosine(read.gradientWeight, read.gradient, read.weight),
  },
  gradientSNR: {
    sums: signalSums,
    value: (_, known) => (known ? known.signal / known.noise : NaN),
  },
  noiseScale: {
    sums: signalSums,
    value: (_, known) => (known ? known.noise / known.signal : NaN),
  },
  criticalBatchSize: {
    sums: signalSums,
    value: (_, known, batchSize) => (known ? (batchSize * known.noise) / known.signal : NaN),
  },
  neuronAngularUpdate: {
    sums: ['neuronWeight', 'neuronWeightChange', 'neuronChange'],
    value: ({ neuronWeight, neuronWeightChange, neuronChange }) =>
      Array.from(neuronWeight, (a, i) => angleFrom(a, neuronWeightChange[i], neuronChange[i])),
  },
} satisfies Record<MetricName, Metric>;

export const metricNames = Object.keys(definitions) as MetricName[];

export const metrics: Readonly<Record<MetricName, Metric>> = definitions;

/**
 * The sums that a metric needs of an update, by name; a name stands for the same expression in all
 * metrics.
 */
export const sumsFor = (
  metric: MetricName,
  values: UpdateValues,
): Readonly<Record<string, Expression>> =>
  Object.fromEntries(metrics[metric].sums.map((name) => [name, sums[name](values)]));
