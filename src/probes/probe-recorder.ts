/** A run's readings, kept in order of the steps: for files, for plots, and for comparing runs. */
import { check, checkCount, show } from '../check.js';
import { getOrMake } from '../get-or-make.js';
import { mapValues } from '../map-values.js';
import { parseOptions } from '../schema.js';
import { drawFigure, type FigureOptions, type PlotLibrary } from './figure.js';
import {
  csvOf,
  decodeStep,
  encodeStep,
  type RecordedNumbers,
  type RecordedReading,
  type RecordedRun,
  type RecordedStep,
  type RecordedVariable,
} from './recorded-run.js';
import {
  recorderCallback,
  type RecorderCallback,
  type RecorderCallbackOptions,
} from './recorder-callback.js';
import { instabilityThreshold, kindSchema, type InstabilityKind } from './thresholds.js';

/** Options of {@link ProbeRecorder}. */
export type ProbeRecorderOptions = {
  /**
   * Stands above the figure.
   *
   * @defaultValue '' (no title)
   */
  readonly name?: string;
  /**
   * Whose line of instability is drawn over the sharpness.
   *
   * @defaultValue 'gd'
   */
  readonly kind?: InstabilityKind;
  /**
   * Momentum or Adam's beta1, for that line, in [0, 1).
   *
   * @defaultValue 0.9
   */
  readonly beta?: number;
};

type MutableStep = {
  step: number;
  values: Record<string, number>;
  variables: Record<string, RecordedVariable>;
};

const label = 'ProbeRecorder';

const schema = {
  name: {
    default: '',
    allowed: 'be a text',
    accepts: (given: unknown) => typeof given === 'string',
  },
  ...kindSchema,
};

/**
 * Keeps what probes read in a run, writes it as JSON and CSV, and draws the standard figure: loss,
 * learning rate, update norm, angle, signal-to-noise ratio, and sharpness with the line where
 * training becomes unstable.
 *
 * A recorder holds numbers only, no tensors, and may be fed in any order; what is said twice of a
 * step is replaced.
 *
 * @param options - Its name, and whose threshold is drawn.
 * @throws {Error} if an option is unknown or out of range.
 * @example
 * const probe = new UpdateProbe({ every: 10 });
 * const optimizer = new AdamW({ learningRate: 1e-3, probe });
 * const recorder = new ProbeRecorder({ name: 'AdamW', kind: 'adam' });
 * for (let step = 0; step < 100; step++) {
 *   recorder.log(step, { learningRate: optimizer.currentLearningRate });
 *   const cost = optimizer.minimize(loss, true);
 *   if (step % 10 === 0) recorder.log(step, { loss: (await cost.data())[0] });
 *   cost.dispose();
 * }
 * recorder.add(await probe.read());
 * recorder.series('loss').length; // 10
 * recorder.toCSV().startsWith('step,loss,learningRate,clipCoefficient,'); // true
 */
export class ProbeRecorder {
  /** Stands above the figure. */
  readonly name: string;
  readonly #kind: InstabilityKind;
  readonly #beta: number;
  readonly #steps = new Map<number, MutableStep>();

  constructor(options: ProbeRecorderOptions = {}) {
    const settings = parseOptions(label, schema, options) as Required<ProbeRecorderOptions>;
    this.name = settings.name;
    this.#kind = settings.kind;
    this.#beta = settings.beta;
  }

  /** All steps of which something is known, in order. */
  get steps(): RecordedStep[] {
    return [...this.#steps.values()].sort((a, b) => a.step - b.step);
  }

  /** The names of all variables that were read, in the order of their first appearance. */
  get variables(): string[] {
    return [...new Set(this.steps.flatMap(({ variables }) => Object.keys(variables)))];
  }

  /**
   * Adds the readings of a probe.
   *
   * @param readings - What `probe.read()` gave.
   * @returns This recorder.
   * @throws {Error} if a reading has no step or no variables; nothing is added then.
   * @example
   * recorder.add(await probe.read());
   */
  add(readings: readonly RecordedReading[]): this {
    check(Array.isArray(readings), label, 'readings', 'be what probe.read() gave', readings);
    readings.forEach(checkReading);
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
   * @param step - The optimizer's step, from 0.
   * @param numbers - By name; NaN and Infinity are numbers and are kept.
   * @returns This recorder.
   * @throws {Error} if a value is not a number, or its name is 'step'; nothing is added then.
   * @example
   * recorder.log(100, { loss: 0.31, learningRate: 1e-3, validationLoss: 0.4 });
   * recorder.series('validationLoss'); // [{ x: 100, y: 0.4 }]
   */
  log(step: number, numbers: RecordedNumbers): this {
    checkCount(label, 'step', step);
    const known = Object.entries(numbers).filter(([, value]) => value !== undefined);
    for (const [name, value] of known) checkValue(step, name, value);
    Object.assign(this.#at(step).values, Object.fromEntries(known));
    return this;
  }

  /**
   * One curve as points { x: step, y: value }, as tfjs-vis and most plot libraries take them; steps
   * without it are left out.
   *
   * @param name - Of a number of the run, or with `variable` of a metric of that variable.
   *   'threshold' is the sharpness at which training becomes unstable at the step's learning rate.
   * @param variable - The name of a variable.
   * @returns The points, in order of the steps.
   * @example
   * const values = [recorder.series('loss')];
   * tfvis.render.linechart(surface, { values, series: ['loss'] });
   */
  series(name: string, variable?: string): { x: number; y: number }[] {
    return this.steps.flatMap((recorded) => {
      const y = this.#valueAt(recorded, name, variable);
      return typeof y === 'number' ? [{ x: recorded.step, y }] : [];
    });
  }

  /**
   * Plain JSON, also by `JSON.stringify(recorder)`; NaN and the infinities become texts.
   *
   * @returns All that is recorded.
   */
  toJSON(): RecordedRun {
    return {
      format: 'tfjs-warmup-run',
      version: 1,
      name: this.name,
      kind: this.#kind,
      beta: this.#beta,
      steps: this.steps.map(encodeStep),
    };
  }

  /**
   * A recorder from what `toJSON` gave.
   *
   * @param run - Plain JSON.
   * @returns A recorder with the same steps.
   * @throws {Error} if `run` is anything else.
   * @example
   * const recorder = ProbeRecorder.fromJSON(JSON.parse(text));
   * recorder.series('loss'); // [{ x: 0, y: 1 }]
   */
  static fromJSON(run: RecordedRun): ProbeRecorder {
    if (run?.format !== 'tfjs-warmup-run' || run.version !== 1)
      throw new Error(
        `${label}: run must be what toJSON gave, of version 1, ` +
          `got ${show(run?.format)}, version ${show(run?.version)}`,
      );
    const { name, kind, beta } = run;
    check(Array.isArray(run.steps), label, "run's steps", 'be a list', run.steps);
    const recorder = new ProbeRecorder({ name, kind, beta });
    for (const { step, values, variables } of run.steps.map(decodeStep))
      recorder.log(step, values).add([{ step, variables }]);
    return recorder;
  }

  /**
   * Comma-separated values, a line for each step; columns step, then the numbers of the run, then
   * `<variable> <metric>`. What is not known is empty; lists with a number for each neuron are only
   * in the JSON.
   *
   * @returns The text of a file.
   * @see {@link https://www.rfc-editor.org/rfc/rfc4180 | RFC 4180}
   */
  toCSV(): string {
    return csvOf(this.steps);
  }

  /**
   * Draws loss, learning rate, update norm, angle, signal-to-noise ratio and sharpness, those that
   * are known, one below the other in one SVG element; its `outerHTML` is an SVG file. The plot
   * library is handed in, so that only who draws installs it.
   *
   * @param Plot - Observable Plot: `import * as Plot from '@observablehq/plot'`.
   * @param options - The document, the size, and the variables to draw.
   * @returns The SVG element.
   * @throws {Error} if nothing is known yet, there is no document, or an option is unknown or out
   *   of range.
   * @example
   * document.body.append(recorder.figure(Plot));
   *
   * const { document } = parseHTML('<html></html>'); // linkedom, outside of a browser
   * await writeFile('run.svg', recorder.figure(Plot, { document }).outerHTML);
   */
  figure(Plot: PlotLibrary, options: FigureOptions = {}): SVGElement {
    return drawFigure(this, Plot, options);
  }

  /**
   * A callback for `model.fit` of tfjs-layers. It reads the learning rate before each batch and the
   * probe now and then; the loss it takes at the end of each epoch, where tfjs has it anyway, so
   * that no batch waits for the device.
   *
   * It goes alone, or anywhere into a list of plain objects, or of instances such as
   * `tf.callbacks.earlyStopping()`.
   *
   * @param options - What to record, and how often.
   * @returns What `callbacks` takes.
   * @throws {Error} if an option is unknown or out of range.
   * @example
   * const callbacks = recorder.callback({ probe, optimizer });
   * await model.fit(xs, ys, { epochs: 5, callbacks });
   */
  callback(options: RecorderCallbackOptions = {}): RecorderCallback {
    return recorderCallback(this, options);
  }

  #at(step: number): MutableStep {
    return getOrMake(this.#steps, step, () => ({ step, values: {}, variables: {} }));
  }

  #valueAt({ values, variables }: RecordedStep, name: string, variable?: string): unknown {
    if (variable !== undefined) return variables[variable]?.[name];
    return name === 'threshold' ? this.#threshold(values.learningRate) : values[name];
  }

  #threshold(learningRate: number | undefined): number | undefined {
    if (learningRate === undefined || !(learningRate > 0)) return undefined;
    return instabilityThreshold({ learningRate, kind: this.#kind, beta: this.#beta });
  }
}

function checkReading({ step, variables }: RecordedReading): void {
  checkCount(label, 'step', step);
  check(
    typeof variables === 'object' && variables !== null,
    label,
    `the variables of step ${step}`,
    'be an object',
    variables,
  );
}

function checkValue(step: number, name: string, value: unknown): void {
  check(
    name !== 'step',
    label,
    "a number's name",
    "not be 'step', which is the first argument of log",
    name,
  );
  check(typeof value === 'number', label, `${name} at step ${step}`, 'be a number', value);
}

/** JSON would make objects of typed arrays. */
const withPlainLists = (metrics: object): RecordedVariable =>
  mapValues(metrics as RecordedVariable, (value) =>
    ArrayBuffer.isView(value) ? Array.from(value as unknown as Float32Array) : value,
  );
