/** A recorder as a callback of `model.fit`. */
import { Tensor } from '@tensorflow/tfjs-core';
import { count, flag, parseOptions } from '../schema.js';
import { kindOf } from '../kind-of.js';
import { bindInstances } from './layers-callbacks.js';
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

/**
 * What `callbacks` of `model.fit` takes, alone or in a list: it has all that tfjs-layers asks of a
 * callback.
 */
export type RecorderCallback = {
  /** What tfjs-layers may hand to a callback. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly validationData: any;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly params: any;
  readonly setParams: (params: unknown) => void;
  readonly setModel: (model: unknown) => void;
  readonly onTrainBegin: (logs?: FitLogs) => Promise<void>;
  readonly onTrainEnd: (logs?: FitLogs) => Promise<void>;
  readonly onEpochBegin: (epoch: number, logs?: FitLogs) => Promise<void>;
  readonly onEpochEnd: (epoch: number, logs?: FitLogs) => Promise<void>;
  readonly onBatchBegin: (batch: number, logs?: FitLogs) => Promise<void>;
  /** Undefined where nothing is to be done after a batch. */
  readonly onBatchEnd: (batch: number, logs?: FitLogs) => Promise<void>;
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
  const nothing = async (): Promise<void> => undefined;
  const endBatch = (_: number, logs?: FitLogs): Promise<void> => training.endBatch(logs);
  // If tfjs-layers takes the function alone, it waits for the device after each batch.
  const endBatchAlone = settings.batchLoss ? endBatch : undefined;
  // Alone, or behind a plain object, tfjs-layers calls the functions without this object.
  const callback = {
    validationData: null,
    params: undefined as unknown,
    onTrainBegin: nothing,
    onEpochBegin: nothing,
    onBatchBegin: () => training.beginBatch(),
    onBatchEnd: endBatchAlone,
    onEpochEnd: (_: number, logs?: FitLogs) => training.endEpoch(logs),
    async onTrainEnd() {
      callback.onBatchEnd = endBatchAlone;
    },
    /** Called behind an instance only, where all of a callback's functions are called on it. */
    setParams(params: unknown) {
      callback.params = params;
      callback.onBatchEnd = endBatchAlone ?? nothing;
    },
    setModel: () => undefined,
    /** Read only where the functions are taken alone. */
    get nextFrameFunc() {
      bindInstances();
      return undefined;
    },
  };
  return callback as RecorderCallback;
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

  async endBatch(logs: FitLogs): Promise<void> {
    await this.#logLosses(logs, (name) => name !== 'batch' && name !== 'size');
  }

  async endEpoch(logs: FitLogs): Promise<void> {
    const { batchLoss } = this.#settings;
    await this.#logLosses(logs, (name) => !batchLoss || name.startsWith('val_'));
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
  async #logLosses(logs: FitLogs, isLoss: (name: string) => boolean): Promise<void> {
    const step = Math.max(0, this.#nextStep - 1);
    const losses: Record<string, number> = {};
    for (const [name, value] of Object.entries(logs ?? {}).filter(([name]) => isLoss(name))) {
      // Behind an instance losses may still be on the device, as tensors of tfjs-layers.
      const number = value instanceof Tensor ? (await value.data())[0] : value;
      if (typeof number === 'number') losses[name] = number;
    }
    this.#recorder.log(step, losses);
  }
}
