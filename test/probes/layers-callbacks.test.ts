/** The recorder among the callbacks of `model.fit`. */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { AdamW } from '../../src/optimizers/index.js';
import {
  ProbeRecorder,
  UpdateProbe,
  type RecorderCallback,
  type RecorderCallbackOptions,
} from '../../src/probes/index.js';
import { useBackend } from '../support/backends.js';
import { withoutLeak } from './support.js';

type Callbacks = tf.ModelFitArgs['callbacks'];
type List = (RecorderCallback | tf.Callback | tf.CustomCallback | tf.CustomCallbackArgs)[];

const perEpoch = 2;

/** A model that does not learn, so that `earlyStopping` ends it after its second epoch. */
function made(layers: typeof tf = tf) {
  const probe = new UpdateProbe();
  const optimizer = new AdamW({ learningRate: 0, probe });
  const model = layers.sequential({ layers: [layers.layers.dense({ units: 1, inputShape: [1] })] });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  const recorder = new ProbeRecorder();
  const stop = () => layers.callbacks.earlyStopping({ monitor: 'loss', patience: 1 });
  return { probe, optimizer, model, recorder, stop };
}

type Made = ReturnType<typeof made>;

const record = (
  { recorder, probe, optimizer }: Made,
  options: RecorderCallbackOptions = {},
): RecorderCallback => recorder.callback({ probe, optimizer, ...options });

async function fit({ model }: Made, callbacks: unknown, epochs = 5) {
  const [x, y] = [tf.ones([4, 1]), tf.ones([4, 1])];
  const args = { epochs, batchSize: 2, verbose: 0 as const, callbacks: callbacks as Callbacks };
  try {
    return await model.fit(x, y, args);
  } finally {
    tf.dispose([x, y]);
  }
}

function expectRecorded({ recorder }: Made, epochs: number): void {
  const steps = Array.from({ length: epochs * perEpoch }, (_, i) => i);
  const ends = steps.filter((step) => step % perEpoch === perEpoch - 1);
  expect(recorder.series('learningRate').map(({ x }) => x)).toEqual(steps);
  expect(recorder.series('loss').map(({ x }) => x)).toEqual(ends);
  expect(recorder.variables.length).toBe(2);
  for (const name of recorder.variables)
    expect(recorder.series('updateNorm', name).map(({ x }) => x)).toEqual(steps);
}

afterEach(() => tf.disposeVariables());

/** Counts what it is told, and asks for the model and the parameters of the fit. */
class Counting extends tf.Callback {
  readonly told: string[] = [];

  override async onTrainBegin(): Promise<void> {
    this.told.push(`${this.model.layers.length} layers`, `${this.params.epochs} epochs`);
  }

  override async onEpochEnd(epoch: number): Promise<void> {
    this.told.push(`epoch ${epoch}`);
  }
}

describe.each(['cpu', 'wasm'] as const)('on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  const stopping: Record<string, (callback: RecorderCallback, stop: tf.Callback) => List> = {
    'behind earlyStopping': (recorder, stop) => [stop, recorder],
    'in front of earlyStopping': (recorder, stop) => [recorder, stop],
    'between a plain object and earlyStopping': (recorder, stop) => [
      { onEpochBegin: () => undefined },
      recorder,
      stop,
    ],
    'in front of a plain object and earlyStopping': (recorder, stop) => [
      recorder,
      { onEpochEnd: () => undefined },
      stop,
    ],
    'in a CustomCallback': (recorder, stop) => [stop, new tf.CustomCallback(recorder)],
    'with another recorder, in front of earlyStopping': (recorder, stop) => [
      new ProbeRecorder().callback(),
      recorder,
      stop,
    ],
  };
  test.each(Object.entries(stopping))('%s', async (_, list) => {
    await withoutLeak(async () => {
      const all = made();
      const { history } = await fit(all, list(record(all), all.stop()));
      expect(history.loss.length).toBe(2);
      expectRecorded(all, 2);
      all.optimizer.dispose();
      all.model.dispose();
    });
  });

  const plain: Record<string, (callback: RecorderCallback, other: object) => unknown> = {
    alone: (recorder) => recorder,
    'alone in a list': (recorder) => [recorder],
    'in front of a plain object': (recorder, other) => [recorder, other],
    'behind a plain object': (recorder, other) => [other, recorder],
  };
  test.each(Object.entries(plain))('%s', async (name, list) => {
    const all = made();
    const other = { onEpochEnd: vi.fn() };
    await fit(all, list(record(all), other), 3);
    expectRecorded(all, 3);
    expect(other.onEpochEnd).toHaveBeenCalledTimes(name.includes('plain') ? 3 : 0);
    all.optimizer.dispose();
    all.model.dispose();
  });

  test('the loss of each batch, where losses are still on the device', async () => {
    for (const order of ['in front', 'behind']) {
      const all = made();
      const callback = record(all, { batchLoss: true });
      const list = [callback, all.stop()];
      await withoutLeak(() => fit(all, order === 'behind' ? list.reverse() : list));
      expect(all.recorder.series('loss').map(({ x }) => x)).toEqual([0, 1, 2, 3]);
      all.optimizer.dispose();
      all.model.dispose();
    }
  });

  test('fitDataset', async () => {
    const all = made();
    const { stop, model } = all;
    const data = tf.data
      .generator(function* () {
        for (let i = 0; i < perEpoch; i++) yield { xs: tf.ones([2, 1]), ys: tf.ones([2, 1]) };
      })
      .prefetch(1);
    const callbacks = [record(all), stop()];
    const { history } = await model.fitDataset(data as never, { epochs: 5, verbose: 0, callbacks });
    expect(history.loss.length).toBe(2);
    expectRecorded(all, 2);
    all.optimizer.dispose();
    all.model.dispose();
  });
});

describe('tfjs-layers is left as it was', () => {
  beforeEach(() => useBackend('cpu'));
  const base = Object.getPrototypeOf(tf.Callback.prototype) as object;
  const descriptors = () => Object.getOwnPropertyDescriptors(base);

  test('instances behind a plain one: their own functions, the model and the parameters', async () => {
    const before = descriptors();
    const all = made();
    const counting = new Counting();
    const epochEnd = vi.fn();
    const custom = new tf.CustomCallback({ onEpochEnd: epochEnd });
    await fit(all, [record(all), counting, custom], 2);
    expect(counting.told).toEqual(['2 layers', '2 epochs', 'epoch 0', 'epoch 1']);
    expect(epochEnd).toHaveBeenCalledTimes(2);
    expect(Object.keys(Object.getOwnPropertyDescriptors(counting)).sort()).toEqual(
      ['model', 'params', 'told', 'validationData'].sort(),
    );
    expect(descriptors()).toEqual(before);
    // And without the recorder.
    await fit(all, [counting, custom], 1);
    expect(counting.told.slice(4)).toEqual(['2 layers', '1 epochs', 'epoch 0']);
    all.optimizer.dispose();
    all.model.dispose();
  });

  test('only where a loss of each batch is asked for does a fit wait after each', async () => {
    const all = made();
    const callback = record(all);
    expect(callback.onBatchEnd).toBe(undefined);
    await fit(all, [all.stop(), callback]);
    expect(callback.onBatchEnd).toBe(undefined);
    expect(all.recorder.callback({ batchLoss: true }).onBatchEnd).toBeTypeOf('function');
    all.optimizer.dispose();
    all.model.dispose();
  });

  test('a second tfjs: alone, and behind its earlyStopping', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const second = createRequire(import.meta.url)('@tensorflow/tfjs/dist/tf.min.js') as typeof tf;
    warn.mockRestore();
    expect(second.Callback).not.toBe(tf.Callback);
    for (const list of [
      (recorder: RecorderCallback) => recorder,
      (recorder: RecorderCallback, stop: unknown) => [stop, recorder],
      (recorder: RecorderCallback, stop: unknown) => [new second.CustomCallback(recorder), stop],
    ]) {
      const all = made(second);
      const { history } = await fit(all, list(record(all), all.stop()));
      expectRecorded(all, history.loss.length);
      all.optimizer.dispose();
      all.model.dispose();
    }
  });
});

test('by its type it goes wherever a callback goes', () => {
  const callback = new ProbeRecorder().callback();
  expectTypeOf(callback).toExtend<Callbacks>();
  expectTypeOf([callback]).toExtend<Callbacks>();
  const stop = tf.callbacks.earlyStopping();
  expectTypeOf([stop, callback]).toExtend<Callbacks>();
  expectTypeOf([callback, stop]).toExtend<Callbacks>();
  expectTypeOf([callback, { onEpochEnd: () => undefined }]).toExtend<Callbacks>();
});
