/**
 * How large each update really was, from sums that ride along in the very kernel that makes the
 * update: the weights before and after are both at hand there, so nothing is copied and nothing is
 * read back until somebody asks.
 */
import { check } from '../check.js';
import type { Expression } from '../compiler/expression.js';
import type { UpdateValues } from '../compiler/program.js';
import type { Reading } from '../executors/executor.js';
import { getOrMake } from '../get-or-make.js';
import { checkMatched, matchesEither, otherName } from '../name-matcher.js';
import type { Probe, ProbedVariable } from '../optimizers/probe.js';
import { count, parseOptions, variableNames, within } from '../schema.js';
import { metricNames, metrics, sumsFor, type MetricName } from './metrics.js';
import { SignalAverages, type ReadSums, type VariableAtStep } from './signal-averages.js';

/** Options of {@link UpdateProbe}. */
export type UpdateProbeOptions = {
  /**
   * What to read.
   *
   * @defaultValue ['updateNorm', 'relativeUpdate', 'angularUpdate', 'weightNorm', 'gradientNorm']
   */
  readonly metrics?: readonly MetricName[];
  /**
   * Reads every n-th step, from step 0 on; on other steps the very kernels run that run without a
   * probe.
   *
   * @defaultValue 1
   */
  readonly every?: number;
  /**
   * Names of the variables to read, in which `*` stands for any text. An exact name wins: the name
   * without the `_1` that tfjs appends to it counts only where no variable has it.
   *
   * @defaultValue All variables.
   */
  readonly variables?: readonly string[];
  /**
   * Samples in a batch, at least 1: for criticalBatchSize, which is counted in samples and needs
   * it.
   */
  readonly batchSize?: number;
  /**
   * Readings that are kept until `read`; older ones are dropped.
   *
   * @defaultValue 100
   */
  readonly keep?: number;
};

/** The metrics of one variable; `neuronAngularUpdate` has one number for each neuron. */
export type VariableReading = Readonly<
  Partial<Record<Exclude<MetricName, 'neuronAngularUpdate'>, number>>
> & { readonly neuronAngularUpdate?: readonly number[] };

/** What was read at a step. */
export type ProbeReading = {
  /** The optimizer's step, from 0. */
  readonly step: number;
  /** What all gradients of the step were multiplied with; 1 without clipping. */
  readonly clipCoefficient: number;
  /** The metrics of each variable, by its name. */
  readonly variables: Readonly<Record<string, VariableReading>>;
};

/** A step whose numbers are still on the backend. */
type PendingStep = {
  readonly step: number;
  readonly variables: readonly VariableAtStep[];
  readonly readings: readonly Reading[];
};

const label = 'UpdateProbe';

const defaultMetrics: readonly MetricName[] = [
  'updateNorm',
  'relativeUpdate',
  'angularUpdate',
  'weightNorm',
  'gradientNorm',
];

const schema = {
  metrics: {
    default: defaultMetrics,
    allowed: `be a list of ${metricNames.join(', ')}`,
    accepts: (given: unknown) => Array.isArray(given) && given.length > 0,
  },
  every: count(1, 1),
  variables: variableNames(),
  batchSize: within('[1, Infinity)'),
  keep: count(1, 100),
};

type Settings = Required<Pick<UpdateProbeOptions, 'metrics' | 'every' | 'keep'>> &
  UpdateProbeOptions;

function parseSettings(options: UpdateProbeOptions): Settings {
  const settings = parseOptions(label, schema, options) as Settings;
  const { metrics, batchSize } = settings;
  for (const metric of metrics)
    check(
      metricNames.includes(metric),
      label,
      'metrics',
      `be among ${metricNames.join(', ')}`,
      metric,
    );
  check(
    batchSize !== undefined || !metrics.includes('criticalBatchSize'),
    label,
    'batchSize',
    'be given for criticalBatchSize',
    batchSize,
  );
  return settings;
}

/**
 * Reads update norms, angles, alignments and the gradient's signal-to-noise ratio of an optimizer's
 * steps.
 *
 * With w before the update, dw = w' - w, g the raw gradient and m the momentum before the update:
 * - updateNorm: |dw|, in units of the weights
 * - relativeUpdate: |dw| / |w|
 * - angularUpdate: the angle from w to w', in radians
 * - neuronAngularUpdate: the angle of each neuron, in radians
 * - weightNorm: |w|
 * - gradientNorm: |g|
 * - gradientMomentumAlignment: cos(g, m)
 * - gradientWeightAlignment: cos(g, w)
 * - gradientSNR: the signal-to-noise ratio of the mini-batch gradient
 * - noiseScale: the power of its noise over that of its signal, which is the critical batch size in
 *   batches of the present size
 * - criticalBatchSize: the same in samples
 *
 * Weight decay is part of dw; the one-off centring of rotational optimizers is not an update and is
 * not counted. A metric that the optimizer's rule cannot give throws at the first step.
 *
 * @param options - What to read, and when.
 * @throws {Error} if a metric or option is unknown or out of range, or a second optimizer takes the
 *   probe.
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer and Jaggi, Analyzing and reducing
 *   the need for learning rate warmup}, for the measures; and the rotational logger of the same
 *   authors
 * @example
 * const probe = new UpdateProbe({ metrics: ['updateNorm', 'angularUpdate'], every: 10 });
 * const optimizer = new AdamW({ learningRate: 1e-3, probe });
 * for (let step = 0; step < 25; step++) optimizer.minimize(loss);
 * const readings = await probe.read();
 * readings.map(({ step }) => step); // [0, 10, 20]
 */
export class UpdateProbe implements Probe {
  readonly #settings: Settings;
  /** Names of the variables to read; undefined for all. */
  #selected: ReadonlySet<string> | undefined;
  readonly #signals = new SignalAverages();
  #pending: PendingStep[] = [];
  /** Ends when all reads that were asked for have ended. */
  #reads: Promise<unknown> = Promise.resolve();
  #label: string | undefined;

  constructor(options: UpdateProbeOptions = {}) {
    const settings = parseSettings(options);
    this.#settings = { ...settings, metrics: [...settings.metrics] };
    this.#selected = settings.variables && new Set(settings.variables);
  }

  /** Called by the optimizer that takes the probe. */
  attach(optimizer: string): void {
    if (this.#label !== undefined)
      throw new Error(
        `${label}: belongs to ${this.#label} and cannot be given to ${optimizer} too; ` +
          'make a probe for each optimizer',
      );
    this.#label = optimizer;
  }

  /** Called by the optimizer when variables join its training. */
  select(trained: readonly { readonly name: string }[], registered: readonly string[]): void {
    const { variables } = this.#settings;
    if (!variables) return;
    checkMatched(`${label}: variables:`, variables, registered);
    const names = new Set(trained.map(({ name }) => name));
    const isVariable = (name: string): boolean => names.has(name);
    const isSelected = (name: string): boolean =>
      matchesEither(variables, name, otherName(variables, name, isVariable));
    this.#selected = new Set([...names].filter(isSelected));
  }

  /** True if a variable is to be read in this step. */
  shouldRead(step: number, variableName: string): boolean {
    return step % this.#settings.every === 0 && (this.#selected?.has(variableName) ?? true);
  }

  /** The sums that the metrics need, as expressions. */
  readings(values: UpdateValues): Readonly<Record<string, Expression>> {
    return Object.assign({}, ...this.#settings.metrics.map((metric) => sumsFor(metric, values)));
  }

  /** Keeps what a step leaves; the oldest is dropped where there are too many. */
  record(step: number, variables: readonly ProbedVariable[], readings: readonly Reading[]): void {
    if (readings.length === 0) return;
    this.#pending.push({ step, variables: variables.map(variableAtStep), readings });
    if (this.#pending.length > this.#settings.keep) disposeReadings(this.#pending.shift()!);
  }

  /**
   * Gives the readings since the last call, and forgets them. Reads that are asked for at once are
   * done in turn: each reading comes once, in order.
   *
   * @returns One reading for each step that was read, oldest first.
   * @throws {Error} if the device that holds the numbers is lost.
   */
  read(): Promise<ProbeReading[]> {
    const pending = this.#pending;
    this.#pending = [];
    // The running averages take the steps in their order.
    const found = this.#reads.then(() => this.#readAll(pending));
    this.#reads = found.catch(() => undefined);
    return found;
  }

  /** Frees what was not read. */
  dispose(): void {
    this.#pending.splice(0).forEach(disposeReadings);
  }

  async #readAll(pending: readonly PendingStep[]): Promise<ProbeReading[]> {
    const found: ProbeReading[] = [];
    try {
      for (const step of pending) found.push(await this.#read(step));
    } finally {
      pending.forEach(disposeReadings);
    }
    return found;
  }

  async #read({ step, variables, readings }: PendingStep): Promise<ProbeReading> {
    const sums = await fetchSums(readings);
    const found: Record<string, VariableReading> = {};
    for (const variable of variables) {
      const own = sums.get(variable.name);
      if (own) found[variable.name] = this.#metricsOf(variable, own);
    }
    const clipCoefficient = sums.get(undefined)?.gradientScale[0] ?? 1;
    return { step, clipCoefficient, variables: found };
  }

  #metricsOf(variable: VariableAtStep, sums: ReadSums): VariableReading {
    const { metrics: wanted, batchSize = 1 } = this.#settings;
    const signal = this.#signals.update(variable, sums);
    return Object.fromEntries(
      wanted.map((metric) => [metric, metrics[metric].value(sums, signal, batchSize)]),
    );
  }
}

/** A copy: what an optimizer shows of a variable changes with the next step. */
const variableAtStep = ({ name, rule, count, hostValues }: ProbedVariable): VariableAtStep => ({
  name,
  count,
  momentumDecay: rule.roles.momentumDecay,
  hostValues: { ...hostValues },
});

const disposeReadings = ({ readings }: PendingStep): void =>
  readings.forEach(({ tensor }) => tensor.dispose());

type FetchedSums = Record<string, ArrayLike<number>>;

/** The sums of a step by variable and name; those of the step as a whole have no variable. */
async function fetchSums(
  readings: readonly Reading[],
): Promise<Map<string | undefined, FetchedSums>> {
  const found = new Map<string | undefined, FetchedSums>();
  for (const { tensor, entries } of readings) {
    const data = await tensor.data().catch(throwLost);
    for (const { variable, name, at, length } of entries) {
      const sums = getOrMake(found, variable, (): FetchedSums => ({}));
      sums[name] = data.slice(at, at + length);
    }
  }
  return found;
}

function throwLost(cause: Error): never {
  const reason = cause.message || 'the device that holds them is lost';
  throw new Error(`the readings of a step cannot be fetched: ${reason}`, { cause });
}
