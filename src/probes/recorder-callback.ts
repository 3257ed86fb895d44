/** A recorder as a callback of `model.fit`. */
import { count, flag, parseOptions } from '../schema.js';
import { kindOf } from '../kind-of.js';
import type { RecordedNumbers, RecordedReading } from './recorded-run.js';

/** Options of `ProbeRecorder.callback`. */
export type RecorderCallbackOptions = {
  /** An `UpdateProbe`, whose readings are to be collected. */
  readonly probe?: { read(): Promise<readonly RecordedReading[]> };
  /**
   * The optimizer that trains: its step count and learning rate are recorded. Without it steps are
   * counted from 0.
   */
  readonly optimizer?: { readonly iterations: number; readonly currentLearningRate?: number };
  /**
   * Batches between two readings of the probe, at least 1; no more than the probe keeps.
   *
   * @defaultValue 50
   */
  readonly readEvery?: number;
  /**
   * True to record the loss of every batch, for which tfjs-layers waits for the device after each;
   * false for the mean loss of each epoch.
   *
   * @defaultValue false
   */
  readonly batchLoss?: boolean;
};

/** What `model.fit` tells of a batch or an epoch. */
export type FitLogs = Readonly<Record<string, unknown>> | undefined;

/** What `callbacks` of `model.fit` takes. */
export type RecorderCallback = {
  readonly onBatchBegin: (batch: number, logs?: FitLogs) => Promise<void>;
  readonly onBatchEnd?: (batch: number, logs?: FitLogs) => Promise<void>;
  readonly onEpochEnd: (epoch: number, logs?: FitLogs) => Promise<void>;
};

/** The part of a `ProbeRecorder` that a callback writes to. */
type Recorder = {
  add(readings: readonly RecordedReading[]): unknown;
  log(step: number, numbers: RecordedNumbers): unknown;
};

type Settings = RecorderCallbackOptions &
  Required<Pick<RecorderCallbackOptions, 'readEvery' | 'batchLoss'>>;

const schema = {
  probe: {
    allowed: 'be an UpdateProbe',
    accepts: (given: unknown) =>
      typeof (given as RecorderCallbackOptions['probe'] | null)?.read === 'function',
    describe: kindOf,
  },
  optimizer: {
    allowed: 'be the optimizer that trains',
    accepts: (given: unknown) =>
      typeof (given as RecorderCallbackOptions['optimizer'] | null)?.iterations === 'number',
    describe: kindOf,
  },
  readEvery: count(1, 50),
  batchLoss: flag(false),
};

export function recorderCallback(
  recorder: Recorder,
  options: RecorderCallbackOptions,
): RecorderCallback {
  const settings = parseOptions('ProbeRecorder.callback', schema, options) as Settings;
  const training = new RecordedTraining(recorder, settings);
  const callback: RecorderCallback = {
    onBatchBegin: () => training.beginBatch(),
    onEpochEnd: (_, logs) => training.endEpoch(logs),
  };
  // For a callback with onBatchEnd tfjs-layers waits for the device after each batch.
  if (!settings.batchLoss) return callback;
  return { ...callback, onBatchEnd: async (_, logs) => training.endBatch(logs) };
}

class RecordedTraining {
  readonly #recorder: Recorder;
  readonly #settings: Settings;
  /** Batches that have begun. */
  #batches = 0;

  constructor(recorder: Recorder, settings: Settings) {
    this.#recorder = recorder;
    this.#settings = settings;
  }

  async beginBatch(): Promise<void> {
    const learningRate = this.#settings.optimizer?.currentLearningRate;
    if (learningRate !== undefined) this.#recorder.log(this.#nextStep, { learningRate });
    if (this.#batches > 0 && this.#batches % this.#settings.readEvery === 0) await this.#read();
    this.#batches++;
  }

  endBatch(logs: FitLogs): void {
    this.#logLosses(logs, (name) => name !== 'batch' && name !== 'size');
  }

  async endEpoch(logs: FitLogs): Promise<void> {
    const { batchLoss } = this.#settings;
    this.#logLosses(logs, (name) => !batchLoss || name.startsWith('val_'));
    await this.#read();
  }

  get #nextStep(): number {
    return this.#settings.optimizer?.iterations ?? this.#batches;
  }

  async #read(): Promise<void> {
    const { probe } = this.#settings;
    if (probe) this.#recorder.add(await probe.read());
  }

  /** Records the numbers with these names at the step that was made last. */
  #logLosses(logs: FitLogs, isLoss: (name: string) => boolean): void {
    const losses = Object.entries(logs ?? {}).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && isLoss(entry[0]),
    );
    this.#recorder.log(Math.max(0, this.#nextStep - 1), Object.fromEntries(losses));
  }
}
