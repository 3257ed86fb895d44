import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW, Lion } from '../../src/optimizers/index';
import {
  bytesOfStep,
  measureStep,
  randomValues,
  timeSteps,
} from '../../src/optimizers/measure-step';

const options = { steps: 3, warmupSteps: 1 };

describe.each(['wasm', 'cpu'])('measureStep on %s', (backend) => {
  let variables: tf.Variable[];

  beforeAll(async () => {
    expect(await tf.setBackend(backend)).toBe(true);
    variables = [
      tf.variable(tf.randomNormal([7, 5])),
      tf.variable(tf.randomNormal([13])),
      tf.variable(tf.zeros([0, 3])),
      tf.variable(tf.scalar(2)),
    ];
  });
  afterAll(() => tf.dispose(variables));

  it('gives the cost of a step, with the bytes where the slots are known', async () => {
    const optimizer = new AdamW({ learningRate: 1e-3 });
    const cost = await measureStep(optimizer, variables, options);
    expect(cost).toMatchObject({ parameters: 49, steps: 3, executorName: 'wasm' });
    expect(cost.all).toHaveLength(3);
    expect(cost.all.every((time) => time > 0)).toBe(true);
    expect(cost.milliseconds).toBe([...cost.all].sort((a, b) => a - b)[1]);
    expect(cost.nanosecondsPerParameter).toBeCloseTo((cost.milliseconds * 1e6) / 49, 6);
    expect(cost.gigabytesPerSecond).toBeCloseTo((28 * 49) / (cost.milliseconds * 1e6), 6);
    optimizer.dispose();
  });

  it('knows neither the slots nor the executor of a foreign optimizer', async () => {
    const optimizer = tf.train.adam(1e-3);
    const cost = await measureStep(optimizer, variables, options);
    expect(cost).toMatchObject({
      parameters: 49,
      gigabytesPerSecond: undefined,
      executorName: undefined,
    });
    optimizer.dispose();
  });

  it('tells which executor ran', async () => {
    const optimizer = new Lion({ learningRate: 1e-3, executor: 'ops' });
    expect((await measureStep(optimizer, variables, options)).executorName).toBe('ops');
    optimizer.dispose();
  });

  it('times 20 steps unless told otherwise', async () => {
    const optimizer = new Lion({ learningRate: 1e-3 });
    expect((await measureStep(optimizer, variables)).all).toHaveLength(20);
    optimizer.dispose();
  });

  it.each([
    ['ours', () => new AdamW({ learningRate: 0.1 })],
    ['a foreign one', () => tf.train.adam(0.1)],
  ])('gives the variables their values back and leaks nothing: %s', async (_, create) => {
    const before = variables.map((variable) => variable.dataSync().slice());
    const { numTensors, numDataBuffers } = tf.memory();
    const optimizer = create();
    await measureStep(optimizer, variables, options);
    variables.forEach((variable, i) => expect(variable.dataSync()).toEqual(before[i]));
    optimizer.dispose();
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
  });

  it('does so too when a step fails', async () => {
    const before = variables.map((variable) => variable.dataSync().slice());
    const optimizer = new AdamW({ learningRate: (step) => (step < 2 ? 0.1 : NaN) });
    const { numTensors } = tf.memory();
    await expect(measureStep(optimizer, variables, options)).rejects.toThrow('learningRate');
    variables.forEach((variable, i) => expect(variable.dataSync()).toEqual(before[i]));
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it('really steps: the values change between', async () => {
    const optimizer = new AdamW({ learningRate: 0.1 });
    const variable = tf.variable(tf.ones([8]));
    const timer = timeSteps(optimizer, [variable]);
    expect(await timer.step()).toBeGreaterThan(0);
    expect(variable.dataSync().every((value) => value !== 1)).toBe(true);
    timer.dispose();
    optimizer.dispose();
    variable.dispose();
  });
});

describe('bytesOfStep', () => {
  it('counts the slots of the given variables alone', () => {
    const [a, b] = [tf.variable(tf.zeros([4, 6])), tf.variable(tf.zeros([5]))];
    const optimizer = new Lion({ learningRate: 1e-3 });
    timeSteps(optimizer, [a, b]).step();
    expect(bytesOfStep(optimizer, [a, b])).toBe(20 * 29);
    expect(bytesOfStep(optimizer, [a])).toBe(20 * 24);
    expect(bytesOfStep(tf.train.sgd(0.1), [a])).toBeUndefined();
  });
});

describe('randomValues', () => {
  it('gives other numbers for other seeds, in (-0.01, 0.01), with mean 0', () => {
    const [a, b] = [randomValues(10_000, 0), randomValues(10_000, 1)];
    expect(a.filter((value, i) => value === b[i]).length).toBeLessThan(10);
    expect(Math.max(...a.map(Math.abs))).toBeLessThan(0.0100001);
    expect(Math.abs(a.reduce((sum, value) => sum + value, 0) / a.length)).toBeLessThan(3e-4);
  });
});

describe('bad input', () => {
  let count = 0;
  const variable = () => tf.variable(tf.zeros([2]), true, `w${count++}`);
  const optimizer = () => new AdamW({ learningRate: 1e-3 });
  const disposed = () => {
    const gone = variable();
    gone.dispose();
    return gone;
  };
  const twice = () => {
    const same = variable();
    return [same, same];
  };
  it.each<[string, () => [unknown, unknown, unknown?]]>([
    [
      'measureStep: optimizer must be a tf.Optimizer, got undefined',
      () => [undefined, [variable()]],
    ],
    [
      'measureStep: variables must be an array of at least one tf.Variable, got []',
      () => [optimizer(), []],
    ],
    ['measureStep: variables[0] must be a tf.Variable, got 3', () => [optimizer(), [3]]],
    ["measureStep: variables[0] must not be disposed, got 'w", () => [optimizer(), [disposed()]]],
    [
      "measureStep: variables[1] must differ from those before it, got 'w",
      () => [optimizer(), twice()],
    ],
    [
      "measureStep: variable 'int': dtype must be 'float32', got 'int32'",
      () => [optimizer(), [tf.variable(tf.zeros([2], 'int32'), true, 'int')]],
    ],
    [
      'measureStep: variables must hold at least one number, got [[0]]',
      () => [optimizer(), [tf.variable(tf.zeros([0]))]],
    ],
    [
      'measureStep: steps must be a whole number of at least 1, got 0',
      () => [optimizer(), [variable()], { steps: 0 }],
    ],
    [
      'measureStep: warmupSteps must be a whole number of at least 0, got -1',
      () => [optimizer(), [variable()], { warmupSteps: -1 }],
    ],
    [
      "measureStep: unknown option 'rounds', allowed are steps, warmupSteps",
      () => [optimizer(), [variable()], { rounds: 3 }],
    ],
  ])('%s', async (message, make) => {
    const [given, variables, settings] = make();
    await expect(
      measureStep(given as tf.Optimizer, variables as tf.Variable[], settings as object),
    ).rejects.toThrow(message);
  });
});
