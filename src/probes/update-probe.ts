/**
 * How large each update really was, from sums that ride along in the very kernel that makes the
 * update: the weights before and after are both at hand there, so nothing is copied and nothing is
 * read back until somebody asks.
 */
import { check, checkCount, checkNames, checkNumber } from '../check.js';
import { getOrMake } from '../get-or-make.js';
import type { UpdateValues } from '../compiler/program.js';
import type { Reading } from '../executors/executor.js';
import type { Probe, ProbedVariable } from '../optimizers/probe.js';
import {
  metricNames,
  metrics,
  SignalAverages,
  sumsFor,
  type MetricName,
  type Sums,
} from './metrics.js';

export type UpdateProbeOptions = {
  /**
   * What to read. Default: updateNorm, relativeUpdate, angularUpdate, weightNorm and gradientNorm.
   */
  readonly metrics?: readonly MetricName[];
  /**
   * Reads every n-th step, from step 0 on; on other steps the very kernels run that run without a
   * probe. Default 1.
   */
  readonly every?: number;
  /** Names of the variables to read. Default: all. */
  readonly variables?: readonly string[];
  /** Samples in a batch, at least 1: for criticalBatchSize, which is counted in samples. */
  readonly batchSize?: number;
  /** Readings that are kept until `read`; older ones are dropped. Default 100. */
  readonly keep?: number;
};

/** The metrics of one variable; `neuronAngularUpdate` has one number for each neuron. */
export type VariableReading = Readonly<
  Partial<Record<Exclude<MetricName, 'neuronAngularUpdate'>, number>>
> & { readonly neuronAngularUpdate?: readonly number[] };

export type ProbeReading = {
  /** The optimizer's step, from 0. */
  readonly step: number;
  /** What all gradients of the step were multiplied with; 1 without clipping. */
  readonly clipCoefficient: number;
  readonly variables: Readonly<Record<string, VariableReading>>;
};

/** What the host knows of a variable at a probed step. */
type RecordedVariable = ReturnType<typeof recordedVariable>;
type Waiting = {
  readonly step: number;
  readonly variables: readonly RecordedVariable[];
  readonly readings: readonly Reading[];
};

const defaultMetrics: readonly MetricName[] = [
  'updateNorm',
  'relativeUpdate',
  'angularUpdate',
  'weightNorm',
  'gradientNorm',
];

/**
 * Reads update norms, angles, alignments and the gradient's signal-to-noise ratio of an optimizer's
 * steps.
 *
 * With w before the update, dw = w' - w, g the raw gradient and m the momentum before the update:
 * updateNorm |dw|; relativeUpdate |dw| / |w|; angularUpdate the angle from w to w' in radians;
 * weightNorm |w|;
 * gradientNorm |g|; gradientMomentumAlignment cos(g, m); gradientWeightAlignment cos(g, w);
 * gradientSNR the
 * signal-to-noise ratio of the mini-batch gradient; noiseScale the power of its noise over that of
 * its signal, which is
 * the critical batch size in batches of the present size; criticalBatchSize the same in samples;
 * neuronAngularUpdate the
 * angle of each neuron. Weight decay is part of dw; the one-off centring of rotational optimizers
 * is not an update and is
 * not counted.
 *
 * @throws for an unknown metric or option; when a second optimizer takes the probe; at the first
 * step, for a metric that the optimizer's rule cannot give.
 * @see Kosson, Messmer, Jaggi (arXiv 2410.23922) for the measures, and the rotational logger of the
 * same authors.
 * @example
 * const probe = new UpdateProbe({ metrics: ['updateNorm', 'angularUpdate'], every: 10 });
 * const optimizer = new AdamW({ learningRate: 1e-3, probe });
 * // ... train ...
 * for (const { step, variables } of await probe.read()) console.log(step, variables);
 */
export class UpdateProbe implements Probe {
  readonly #metrics: readonly MetricName[];
  readonly #every: number;
  readonly #variables: ReadonlySet<string> | undefined;
  readonly #batchSize: number;
  readonly #keep: number;
  readonly #signals = new SignalAverages();
  #waiting: Waiting[] = [];
  #label: string | undefined;

  constructor(options: UpdateProbeOptions = {}) {
    checkNames('UpdateProbe', options, ['metrics', 'every', 'variables', 'batchSize', 'keep']);
    const {
      metrics: wanted = defaultMetrics,
      every = 1,
      variables,
      batchSize,
      keep = 100,
    } = options;
    check(
      Array.isArray(wanted) && wanted.length > 0,
      'UpdateProbe',
      'metrics',
      `be a list of ${metricNames.join(', ')}`,
      wanted,
    );
    for (const metric of wanted)
      check(
        metricNames.includes(metric),
        'UpdateProbe',
        'metrics',
        `be among ${metricNames.join(', ')}`,
        metric,
      );
    checkCount('UpdateProbe', 'every', every, 1);
    checkCount('UpdateProbe', 'keep', keep, 1);
    if (batchSize !== undefined)
      checkNumber('UpdateProbe', 'batchSize', batchSize, '[1, Infinity)');
    check(
      batchSize !== undefined || !wanted.includes('criticalBatchSize'),
      'UpdateProbe',
      'batchSize',
      'be given for criticalBatchSize',
      batchSize,
    );
    check(
      variables === undefined ||
        (Array.isArray(variables) && variables.every((name) => typeof name === 'string')),
      'UpdateProbe',
      'variables',
      'be a list of variable names',
      variables,
    );
    this.#metrics = [...wanted];
    this.#every = every;
    this.#variables = variables && new Set(variables);
    this.#batchSize = batchSize ?? 1;
    this.#keep = keep;
  }

  attach(label: string): void {
    if (this.#label !== undefined)
      throw new Error(
        `UpdateProbe: belongs to ${this.#label} and cannot be given to ${label} too; make a probe for each optimizer`,
      );
    this.#label = label;
  }

  shouldRead(step: number, variableName: string): boolean {
    return step % this.#every === 0 && (this.#variables?.has(variableName) ?? true);
  }

  readings(values: UpdateValues): Sums {
    return Object.assign({}, ...this.#metrics.map((metric) => sumsFor(metric, values)));
  }

  record(step: number, variables: readonly ProbedVariable[], readings: readonly Reading[]): void {
    if (readings.length === 0) return;
    this.#waiting.push({ step, variables: variables.map(recordedVariable), readings });
    if (this.#waiting.length > this.#keep) forget(this.#waiting.shift()!);
  }

  /** The readings since the last call, oldest first, and forgets them. */
  async read(): Promise<ProbeReading[]> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const found: ProbeReading[] = [];
    try {
      for (const { step, variables, readings } of waiting) {
        const sums = await fetchNumbers(readings);
        const read = variables.flatMap((variable) => {
          const own = sums.get(variable.name);
          return own ? [[variable.name, this.#metricsOf(variable, own)] as const] : [];
        });
        found.push({
          step,
          clipCoefficient: sums.get(undefined)?.gradientScale[0] ?? 1,
          variables: Object.fromEntries(read),
        });
      }
    } finally {
      waiting.forEach(forget);
    }
    return found;
  }

  dispose(): void {
    this.#waiting.splice(0).forEach(forget);
  }

  #metricsOf(
    variable: RecordedVariable,
    sums: Readonly<Record<string, ArrayLike<number>>>,
  ): VariableReading {
    const signal = this.#signals.update(variable, sums);
    return Object.fromEntries(
      this.#metrics.map((metric) => [metric, metrics[metric](sums, signal, this.#batchSize)]),
    );
  }
}

const recordedVariable = ({ name, rule, count, hostValues }: ProbedVariable) => ({
  name,
  count,
  momentumDecay: rule.roles.momentumDecay,
  values: { ...hostValues },
});

const forget = ({ readings }: Waiting): void => readings.forEach(({ tensor }) => tensor.dispose());

/** The numbers of a step by variable and name; those of the step as a whole have no variable. */
async function fetchNumbers(
  readings: readonly Reading[],
): Promise<Map<string | undefined, Record<string, ArrayLike<number>>>> {
  const found = new Map<string | undefined, Record<string, ArrayLike<number>>>();
  for (const { tensor, entries } of readings) {
    const data = await tensor.data().catch((cause: Error) => {
      throw new Error(
        `the readings of a step cannot be fetched: ${cause.message || 'the device that holds them is lost'}`,
        { cause },
      );
    });
    for (const { variable, name, at, length } of entries)
      getOrMake(found, variable, (): Record<string, ArrayLike<number>> => ({}))[name] = data.slice(
        at,
        at + length,
      );
  }
  return found;
}
