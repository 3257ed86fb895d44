/** A run's readings, kept in order of the steps: for files, for plots, and for comparing runs. */
import { check, checkCount, checkNames, checkNumber, show } from '../check.js';
import { mapValues } from '../map-values.js';
import { drawFigure, type FigureOptions, type PlotLibrary } from './figure.js';
import { kindOf } from './kind-of.js';
import { instabilityThreshold, type InstabilityKind } from './thresholds.js';

/** What a probe read of one variable: numbers, or lists with one number for each neuron. */
export type RecordedVariable = Readonly<Record<string, number | readonly number[]>>;

/** What `UpdateProbe.read()` gives for a step, or a probe of your own. */
export type RecordedReading = {
  readonly step: number;
  readonly clipCoefficient?: number;
  readonly variables: Readonly<Record<string, object>>;
};

/** Numbers of the whole run at a step; any other name is welcome too. */
export type RecordedNumbers = {
  readonly loss?: number;
  readonly learningRate?: number;
  /** For Adam the preconditioned one. */
  readonly sharpness?: number;
  readonly [name: string]: number | undefined;
};

/** All that is known of one step. */
export type RecordedStep = {
  readonly step: number;
  /** loss, learningRate, sharpness, clipCoefficient and others. */
  readonly values: Readonly<Record<string, number>>;
  readonly variables: Readonly<Record<string, RecordedVariable>>;
};

/** A recorder as plain JSON, in which NaN and the infinities are texts. */
export type RecordedRun = {
  readonly format: 'tfjs-warmup-run';
  readonly version: 1;
  readonly name: string;
  readonly kind: InstabilityKind;
  readonly beta: number;
  readonly steps: readonly unknown[];
};

/** Options of {@link ProbeRecorder}. */
export type ProbeRecorderOptions = {
  /** Stands above the figure. Default: none. */
  readonly name?: string;
  /**
   * Whose line of instability is drawn over the sharpness: 'gd', 'momentum' or 'adam'. Default
   * 'gd'.
   */
  readonly kind?: InstabilityKind;
  /** Momentum or Adam's beta1, for that line, in [0, 1). Default 0.9. */
  readonly beta?: number;
};

/** Options of {@link ProbeRecorder.callback}. */
export type RecorderCallbackOptions = {
  /** An `UpdateProbe`, whose readings are to be collected. Default: none. */
  readonly probe?: { read(): Promise<readonly RecordedReading[]> };
  /**
   * The optimizer that trains: its step count and learning rate are recorded. Default: steps are
   * counted from 0.
   */
  readonly optimizer?: { readonly iterations: number; readonly currentLearningRate?: number };
  /**
   * Batches between two readings of the probe, at least 1; no more than the probe keeps. Default
   * 50.
   */
  readonly readEvery?: number;
  /**
   * True to record the loss of every batch, for which tfjs-layers waits for the device after each.
   * Default false: the mean loss of each epoch.
   */
  readonly batchLoss?: boolean;
};

type Logs = Readonly<Record<string, unknown>> | undefined;

/** What `callbacks` of `model.fit` takes. */
export type RecorderCallback = {
  readonly onBatchBegin: (batch: number, logs?: Logs) => Promise<void>;
  readonly onBatchEnd?: (batch: number, logs?: Logs) => Promise<void>;
  readonly onEpochEnd: (epoch: number, logs?: Logs) => Promise<void>;
};

type MutableStep = {
  step: number;
  values: Record<string, number>;
  variables: Record<string, Record<string, number | readonly number[]>>;
};

/**
 * Keeps what probes read in a run, writes it as JSON and CSV, and draws the standard figure: loss,
 * learning rate, update norm, angle, signal-to-noise ratio, and sharpness with the line where
 * training becomes unstable.
 *
 * A recorder holds numbers only, no tensors, and may be fed in any order; what is said twice of a
 * step is replaced.
 *
 * @throws for an option that is unknown or out of range, and for readings without a step.
 * @example
 * const probe = new UpdateProbe({ every: 10 });
 * const optimizer = new AdamW({ learningRate: 1e-3, probe });
 * const recorder = new ProbeRecorder({ name: 'AdamW', kind: 'adam' });
 * for (let step = 0; step < 1000; step++) {
 *   const cost = optimizer.minimize(loss, true);
 *   if (step % 10 === 0) recorder.log(step, { loss: (await cost.data())[0], learningRate: optimizer.currentLearningRate });
 *   cost.dispose();
 * }
 * recorder.add(await probe.read());
 * console.log(recorder.toCSV());
 */
export class ProbeRecorder {
  readonly name: string;
  readonly #kind: InstabilityKind;
  readonly #beta: number;
  readonly #steps = new Map<number, MutableStep>();

  constructor(options: ProbeRecorderOptions = {}) {
    checkNames('ProbeRecorder', options, ['name', 'kind', 'beta']);
    const { name = '', kind = 'gd', beta = 0.9 } = options;
    check(typeof name === 'string', 'ProbeRecorder', 'name', 'be a text', name);
    check(
      ['gd', 'momentum', 'adam'].includes(kind),
      'ProbeRecorder',
      'kind',
      "be 'gd', 'momentum' or 'adam'",
      kind,
    );
    checkNumber('ProbeRecorder', 'beta', beta, '[0, 1)');
    this.name = name;
    this.#kind = kind;
    this.#beta = beta;
  }

  /** All steps of which something is known, in order. */
  get steps(): RecordedStep[] {
    return [...this.#steps.values()].sort((a, b) => a.step - b.step);
  }

  /**
   * Adds the readings of a probe.
   *
   * @example recorder.add(await probe.read());
   */
  add(readings: readonly RecordedReading[]): this {
    check(
      Array.isArray(readings),
      'ProbeRecorder',
      'readings',
      'be what probe.read() gave',
      readings,
    );
    for (const { step, variables } of readings) {
      checkCount('ProbeRecorder', 'step', step);
      check(
        typeof variables === 'object' && variables !== null,
        'ProbeRecorder',
        `the variables of step ${step}`,
        'be an object',
        variables,
      );
    }
    for (const { step, clipCoefficient, variables } of readings) {
      const known = this.#at(step);
      if (clipCoefficient !== undefined) known.values.clipCoefficient = clipCoefficient;
      for (const [name, metrics] of Object.entries(variables))
        known.variables[name] = { ...known.variables[name], ...withPlainLists(metrics as object) };
    }
    return this;
  }

  /**
   * Adds numbers of the whole run at a step: loss, learningRate, sharpness or any others.
   *
   * @throws for a value that is not a number, and for the name 'step'; NaN and Infinity are numbers
   * and are kept.
   * @example recorder.log(100, { loss: 0.31, learningRate: 1e-3, validationLoss: 0.4 });
   */
  log(step: number, numbers: RecordedNumbers): this {
    checkCount('ProbeRecorder', 'step', step);
    const known = Object.entries(numbers).filter(([, value]) => value !== undefined);
    for (const [name, value] of known) {
      check(
        name !== 'step',
        'ProbeRecorder',
        "a number's name",
        "not be 'step', which is the first argument of log",
        name,
      );
      check(
        typeof value === 'number',
        'ProbeRecorder',
        `${name} at step ${step}`,
        'be a number',
        value,
      );
    }
    Object.assign(this.#at(step).values, Object.fromEntries(known));
    return this;
  }

  /** The names of all variables that were read, in the order of their first appearance. */
  get variables(): string[] {
    return [...new Set(this.steps.flatMap(({ variables }) => Object.keys(variables)))];
  }

  /**
   * One curve as points { x: step, y: value }, as tfjs-vis and most plot libraries take them; steps
   * without it are left out. 'threshold' is the sharpness at which training becomes unstable at the
   * step's learning rate.
   *
   * @param name of a number of the run, or with `variable` of a metric of that variable.
   * @example tfvis.render.linechart(surface, { values: [recorder.series('loss')], series: ['loss'] });
   */
  series(name: string, variable?: string): { x: number; y: number }[] {
    return this.steps.flatMap(({ step, values, variables }) => {
      const value =
        variable !== undefined
          ? variables[variable]?.[name]
          : name === 'threshold'
            ? this.#threshold(values.learningRate)
            : values[name];
      return typeof value === 'number' ? [{ x: step, y: value }] : [];
    });
  }

  /** Plain JSON, also by `JSON.stringify(recorder)`; NaN and the infinities become texts. */
  toJSON(): RecordedRun {
    return {
      format: 'tfjs-warmup-run',
      version: 1,
      name: this.name,
      kind: this.#kind,
      beta: this.#beta,
      steps: this.steps.map((step) => encode(step)),
    };
  }

  /**
   * A recorder from what `toJSON` gave.
   *
   * @throws for anything else.
   * @example const recorder = ProbeRecorder.fromJSON(JSON.parse(text));
   */
  static fromJSON(run: RecordedRun): ProbeRecorder {
    if (run?.format !== 'tfjs-warmup-run' || run.version !== 1)
      throw new Error(
        `ProbeRecorder: run must be what toJSON gave, of version 1, got ${show(run?.format)}, version ${show(run?.version)}`,
      );
    const { name, kind, beta } = run;
    check(Array.isArray(run.steps), 'ProbeRecorder', "run's steps", 'be a list', run.steps);
    const recorder = new ProbeRecorder({ name, kind, beta });
    for (const { step, values, variables } of run.steps.map(decode) as RecordedStep[])
      recorder.log(step, values).add([{ step, variables }]);
    return recorder;
  }

  /**
   * Comma-separated values (RFC 4180): a line for each step; columns step, then the numbers of the
   * run, then `<variable> <metric>`. What is not known is empty; lists with a number for each
   * neuron are only in the JSON.
   */
  toCSV(): string {
    const { steps } = this;
    const rows = steps.map(({ step, values, variables }) => {
      const metrics = Object.entries(variables).flatMap(([name, metrics]) =>
        Object.entries(metrics).map(([metric, value]) => [`${name} ${metric}`, value] as const),
      );
      return new Map<string, unknown>([
        ['step', step],
        ...Object.entries(values),
        ...metrics.filter(([, value]) => typeof value === 'number'),
      ]);
    });
    const known = new Set(rows.flatMap((row) => [...row.keys()]));
    const first = ['step', 'loss', 'learningRate', 'sharpness', 'clipCoefficient'].filter(
      (name) => name === 'step' || known.delete(name),
    );
    known.delete('step');
    const columns = [...first, ...known];
    return [columns, ...rows.map((row) => columns.map((column) => row.get(column) ?? ''))]
      .map((row) => `${row.map(quoted).join(',')}\r\n`)
      .join('');
  }

  /**
   * Draws loss, learning rate, update norm, angle, signal-to-noise ratio and sharpness, those that
   * are known, one below the other in one SVG element; its `outerHTML` is an SVG file. The plot
   * library is handed in, so that only who draws installs it.
   *
   * @param Plot Observable Plot: `import * as Plot from '@observablehq/plot'`.
   * @param options `document` (default: that of the browser; in Node of linkedom or jsdom), `width`
   * in pixels (640),
   *   `panelHeight` (180), `variables` (default all) to draw some only.
   * @throws where nothing is known yet, or there is no document.
   * @example
   * document.body.append(recorder.figure(Plot));
   *
   * const { document } = parseHTML('<html></html>');   // linkedom
   * await writeFile('run.svg', recorder.figure(Plot, { document }).outerHTML);
   */
  figure(Plot: PlotLibrary, options: FigureOptions = {}): SVGElement {
    return drawFigure(this, Plot, options);
  }

  /**
   * A callback for `model.fit` of tfjs-layers. It reads the learning rate before each batch and the
   * probe now and then;
   * the loss it takes at the end of each epoch, where tfjs has it anyway, so that no batch waits
   * for the device.
   *
   * @throws for an option that is unknown or out of range.
   * @example
   * await model.fit(xs, ys, { epochs: 5, callbacks: recorder.callback({ probe, optimizer }) });
   */
  callback(options: RecorderCallbackOptions = {}): RecorderCallback {
    checkNames('ProbeRecorder.callback', options, ['probe', 'optimizer', 'readEvery', 'batchLoss']);
    const { probe, optimizer, readEvery = 50, batchLoss = false } = options;
    checkCount('ProbeRecorder.callback', 'readEvery', readEvery, 1);
    check(
      probe === undefined || typeof probe?.read === 'function',
      'ProbeRecorder.callback',
      'probe',
      'be an UpdateProbe',
      kindOf(probe),
    );
    check(
      optimizer === undefined || typeof optimizer?.iterations === 'number',
      'ProbeRecorder.callback',
      'optimizer',
      'be the optimizer that trains',
      kindOf(optimizer),
    );
    let batches = 0;
    const nextStep = (): number => optimizer?.iterations ?? batches;
    const read = async (): Promise<void> => {
      if (probe) this.add(await probe.read());
    };
    const logLosses = (logs: Logs, names: (name: string) => boolean): void => {
      const losses = Object.entries(logs ?? {}).filter(
        (entry): entry is [string, number] => typeof entry[1] === 'number' && names(entry[0]),
      );
      this.log(Math.max(0, nextStep() - 1), Object.fromEntries(losses));
    };
    return {
      onBatchBegin: async () => {
        const rate = optimizer?.currentLearningRate;
        if (rate !== undefined) this.log(nextStep(), { learningRate: rate });
        if (batches > 0 && batches % readEvery === 0) await read();
        batches++;
      },
      ...(batchLoss
        ? {
            onBatchEnd: async (_, logs) =>
              logLosses(logs, (name) => name !== 'batch' && name !== 'size'),
          }
        : {}),
      onEpochEnd: async (_, logs) => {
        logLosses(logs, (name) => !batchLoss || name.startsWith('val_'));
        await read();
      },
    };
  }

  #at(step: number): MutableStep {
    const known = this.#steps.get(step) ?? { step, values: {}, variables: {} };
    this.#steps.set(step, known);
    return known;
  }

  #threshold(learningRate: number | undefined): number | undefined {
    return learningRate === undefined || !(learningRate > 0)
      ? undefined
      : instabilityThreshold({ learningRate, kind: this.#kind, beta: this.#beta });
  }
}

/** JSON would make objects of typed arrays. */
const withPlainLists = (metrics: object): RecordedVariable =>
  mapValues({ ...metrics }, (value: unknown) =>
    ArrayBuffer.isView(value)
      ? Array.from(value as Float32Array)
      : (value as number | readonly number[]),
  );

/** JSON has no other form for these. */
const texts = new Map([NaN, Infinity, -Infinity].map((value) => [`${value}`, value]));

const mapLeaves = (value: unknown, map: (leaf: unknown) => unknown): unknown =>
  Array.isArray(value)
    ? value.map((item) => mapLeaves(item, map))
    : typeof value === 'object' && value !== null
      ? mapValues(value as Readonly<Record<string, unknown>>, (item) => mapLeaves(item, map))
      : map(value);

const encode = (step: RecordedStep): unknown =>
  mapLeaves(step, (leaf) =>
    typeof leaf === 'number' && !Number.isFinite(leaf) ? `${leaf}` : leaf,
  );
const decode = (step: unknown): unknown =>
  mapLeaves(step, (leaf) => (typeof leaf === 'string' ? (texts.get(leaf) ?? leaf) : leaf));

const quoted = (cell: unknown): string => {
  const text = `${cell as string | number}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
