/** Several reads of an `UpdateProbe` at once: each reading once, in order, as by reads in turn. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AdamW, GIAdam, LionA } from '../../src/optimizers/index.js';
import { ProbeRecorder, UpdateProbe, type ProbeReading } from '../../src/probes/index.js';
import { useBackend } from '../support/backends.js';
import { numbersTensor, numbersVariable, stepWith } from '../support/tensors.js';

afterEach(() => tf.disposeVariables());

const optimizers = { AdamW, GIAdam, LionA };
type Name = keyof typeof optimizers;

function start(name: Name = 'AdamW') {
  const probe = new UpdateProbe({
    metrics: ['gradientSNR', 'noiseScale', 'criticalBatchSize'],
    batchSize: 8,
  });
  const optimizer = new optimizers[name]({ learningRate: 0.01, probe });
  const w = numbersVariable([20, 10], 1, 'w');
  const base = numbersTensor([20, 10], 2);
  let step = 0;
  const train = (steps: number): void => {
    for (const end = step + steps; step < end; step++)
      stepWith(optimizer, [w, tf.tidy(() => tf.add(numbersTensor([20, 10], 3 + step), base))]);
  };
  const free = (): void => {
    optimizer.dispose();
    tf.dispose([w, base]);
  };
  return { probe, optimizer, train, free };
}

/** What is read after 12, 5 and 3 steps, one after the other. */
async function inTurn(name?: Name): Promise<ProbeReading[]> {
  const { probe, train, free } = start(name);
  const found: ProbeReading[] = [];
  for (const steps of [12, 5, 3]) {
    train(steps);
    found.push(...(await probe.read()));
  }
  free();
  return found;
}

describe.each(['wasm', 'cpu'])('on %s', (backend) => {
  let before = 0;
  beforeEach(async () => {
    await useBackend(backend);
    before = tf.memory().numTensors;
  });
  afterEach(() => expect(tf.memory().numTensors).toBe(before));

  test.each(Object.keys(optimizers) as Name[])('%s: three reads at once', async (name) => {
    const expected = await inTurn(name);
    const { probe, train, free } = start(name);
    const reads: Promise<ProbeReading[]>[] = [];
    for (const steps of [12, 5, 3]) {
      train(steps);
      reads.push(probe.read());
    }
    const found = await Promise.all(reads);
    expect(found.map(({ length }) => length)).toEqual([12, 5, 3]);
    expect(found.flat()).toEqual(expected);
    free();
  });

  test('a read in the task of another gets nothing twice', async () => {
    const { probe, train, free } = start();
    train(4);
    const [first, second] = await Promise.all([probe.read(), probe.read()]);
    expect(first.map(({ step }) => step)).toEqual([0, 1, 2, 3]);
    expect(second).toEqual([]);
    free();
  });

  test('a recorder and the user read at once', async () => {
    const expected = await inTurn();
    const { probe, optimizer, train, free } = start();
    const recorder = new ProbeRecorder();
    const callback = recorder.callback({ probe, optimizer });
    train(12);
    const epoch = callback.onEpochEnd(0);
    train(5);
    const own = probe.read();
    train(3);
    await Promise.all([epoch, own, callback.onEpochEnd(1)]);
    recorder.add(await own);
    expect(recorder.series('gradientSNR', 'w')).toEqual(
      expected.map(({ step, variables }) => ({ x: step, y: variables.w.gradientSNR })),
    );
    free();
  });

  test('the optimizer is disposed while the probe is read', async () => {
    const expected = await inTurn();
    const { probe, train, free } = start();
    train(12);
    const first = probe.read();
    train(5);
    const second = probe.read();
    train(3);
    free();
    const [one, two, rest] = await Promise.all([first, second, probe.read()]);
    expect([...one, ...two]).toEqual(expected.slice(0, 17));
    expect(rest).toEqual([]);
  });

  test('a read that fails does not hold up the next', async () => {
    const { probe, train, free } = start();
    train(1);
    const { record } = probe;
    const lost = { data: () => Promise.reject(new Error('gone')), dispose: () => undefined };
    record.call(probe, 1, [], [{ tensor: lost as never, entries: [] }]);
    const failing = probe.read();
    train(2);
    const next = probe.read();
    await expect(failing).rejects.toThrow('the readings of a step cannot be fetched: gone');
    expect((await next).map(({ step }) => step)).toEqual([1, 2]);
    free();
  });
});
