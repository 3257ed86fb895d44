/**
 * The metrics of the update probe: which sums each needs of the update, and what it makes of them.
 */
import { mul, neuronSum, square, sub, tensorSum, type Expression } from '../compiler/expression.js';
import type { UpdateValues } from '../compiler/program.js';
import { biasCorrection } from '../rules/bias-correction.js';
import { noiseShare } from '../rules/noise-share.js';
import { angleFrom } from './angle.js';

/** Expressions to be read, by name; a name stands for the same expression in all metrics. */
export type Sums = Readonly<Record<string, Expression>>;
type Read = Readonly<Record<string, ArrayLike<number>>>;

/** The update dw, from the stored weights before and after. */
const change = ({ before, after }: UpdateValues): Expression => sub(after.w, before.w);

const momentumBefore = ({ rule, before }: UpdateValues): Expression => {
  const slot = rule.roles.momentum;
  if (slot === undefined)
    throw new Error(
      `UpdateProbe: the rule ${rule.name} has no momentum, so gradientMomentumAlignment is not defined; name its slot in the rule's roles or leave the metric out`,
    );
  return before[slot];
};

const meanAfter = ({ rule, after }: UpdateValues): Expression => {
  const { momentum, momentumDecay } = rule.roles;
  if (momentum === undefined || momentumDecay === undefined) {
    throw new Error(
      `UpdateProbe: the rule ${rule.name} has no running mean of the gradient, so gradientSNR, noiseScale and criticalBatchSize are not defined; name momentum and momentumDecay in the rule's roles or leave the metrics out`,
    );
  }
  return after[momentum];
};

const sums = {
  weight: (values: UpdateValues) => tensorSum(square(values.before.w)),
  weightChange: (values: UpdateValues) => tensorSum(mul(values.before.w, change(values))),
  change: (values: UpdateValues) => tensorSum(square(change(values))),
  gradient: (values: UpdateValues) => tensorSum(square(values.g)),
  gradientWeight: (values: UpdateValues) => tensorSum(mul(values.g, values.before.w)),
  gradientMomentum: (values: UpdateValues) => tensorSum(mul(values.g, momentumBefore(values))),
  momentum: (values: UpdateValues) => tensorSum(square(momentumBefore(values))),
  // The momentum averages the scaled gradient: so does its power here.
  scaledGradient: (values: UpdateValues) => tensorSum(square(values.before.g)),
  mean: (values: UpdateValues) => tensorSum(square(meanAfter(values))),
  neuronWeight: (values: UpdateValues) => neuronSum(square(values.before.w)),
  neuronWeightChange: (values: UpdateValues) => neuronSum(mul(values.before.w, change(values))),
  neuronChange: (values: UpdateValues) => neuronSum(square(change(values))),
};
type SumName = keyof typeof sums;

const signalSums: readonly SumName[] = ['scaledGradient', 'mean'];

/** Signal and noise of a variable's gradient, or undefined while nothing is known. */
export type Signal = { readonly signal: number; readonly noise: number } | undefined;

const root = (values: ArrayLike<number>): number => Math.sqrt(values[0]);
const cosine = (product: ArrayLike<number>, a: ArrayLike<number>, b: ArrayLike<number>): number =>
  product[0] === 0 ? 0 : product[0] / Math.sqrt(a[0]) / Math.sqrt(b[0]);

const definitions = {
  updateNorm: { sums: ['change'], value: ({ change: d }: Read) => root(d) },
  relativeUpdate: {
    sums: ['change', 'weight'],
    value: ({ change: d, weight }: Read) => Math.sqrt(d[0] / weight[0]),
  },
  angularUpdate: {
    sums: ['weight', 'weightChange', 'change'],
    value: ({ weight, weightChange, change: d }: Read) =>
      angleFrom(weight[0], weightChange[0], d[0]),
  },
  weightNorm: { sums: ['weight'], value: ({ weight }: Read) => root(weight) },
  gradientNorm: { sums: ['gradient'], value: ({ gradient }: Read) => root(gradient) },
  gradientMomentumAlignment: {
    sums: ['gradientMomentum', 'gradient', 'momentum'],
    value: ({ gradientMomentum, gradient, momentum }: Read) =>
      cosine(gradientMomentum, gradient, momentum),
  },
  gradientWeightAlignment: {
    sums: ['gradientWeight', 'gradient', 'weight'],
    value: ({ gradientWeight, gradient, weight }: Read) => cosine(gradientWeight, gradient, weight),
  },
  gradientSNR: {
    sums: signalSums,
    value: (_: Read, known: Signal) => (known ? known.signal / known.noise : NaN),
  },
  noiseScale: {
    sums: signalSums,
    value: (_: Read, known: Signal) => (known ? known.noise / known.signal : NaN),
  },
  criticalBatchSize: {
    sums: signalSums,
    value: (_: Read, known: Signal, batchSize: number) =>
      known ? (batchSize * known.noise) / known.signal : NaN,
  },
  neuronAngularUpdate: {
    sums: ['neuronWeight', 'neuronWeightChange', 'neuronChange'],
    value: ({ neuronWeight, neuronWeightChange, neuronChange }: Read) =>
      Array.from(neuronWeight, (a, i) => angleFrom(a, neuronWeightChange[i], neuronChange[i])),
  },
} as const satisfies Record<
  string,
  {
    readonly sums: readonly SumName[];
    readonly value: (sums: Read, signal: Signal, batchSize: number) => number | number[];
  }
>;

export type MetricName = keyof typeof definitions;

export const metricNames = Object.keys(definitions) as MetricName[];

/** The sums that a metric needs of an update. */
export const sumsFor = (metric: MetricName, values: UpdateValues): Sums =>
  Object.fromEntries(definitions[metric].sums.map((name) => [name, sums[name](values)]));

/** The metrics from the sums. */
export const metrics = Object.fromEntries(
  Object.entries(definitions).map(([name, { value }]) => [name, value]),
) as Record<MetricName, (sums: Read, signal: Signal, batchSize: number) => number | number[]>;

/**
 * The running estimate of signal and noise power from |g|^2 = S + N and |m_hat|^2 = S + kappa_t N,
 * kappa_t the share of the noise that is left in the mean, both averaged over the readings with the
 * momentum's own decay. Source: derived from the mean of an exponential average; the use for the
 * learning rate is of Kosson, Messmer, Jaggi (arXiv 2410.23922).
 */
export class SignalAverages {
  readonly #averages = new Map<
    string,
    { power: number; mean: number; kappa: number; weight: number }
  >();

  update(
    {
      name,
      count,
      values,
      momentumDecay,
    }: {
      readonly name: string;
      readonly count: number;
      readonly values: Readonly<Record<string, number>>;
      readonly momentumDecay?: string;
    },
    read: Read,
  ): Signal {
    if (!read.scaledGradient || !read.mean || momentumDecay === undefined) return undefined;
    const beta = values[momentumDecay];
    const correction = biasCorrection(beta, count + 1);
    const old = this.#averages.get(name) ?? { power: 0, mean: 0, kappa: 0, weight: 0 };
    const average = {
      power: beta * old.power + (1 - beta) * read.scaledGradient[0],
      mean: beta * old.mean + (1 - beta) * (read.mean[0] / correction ** 2),
      kappa: beta * old.kappa + (1 - beta) * noiseShare(beta, count + 1),
      weight: beta * old.weight + (1 - beta),
    };
    this.#averages.set(name, average);
    const share = average.kappa / average.weight;
    // The first update's momentum is the gradient itself: it says nothing of the noise.
    if (1 - share < 1e-6) return undefined;
    return {
      signal: Math.max(0, average.mean - share * average.power),
      noise: Math.max(0, average.power - average.mean),
    };
  }
}
