/** Every fused metric against float64 from copies of the weights, on every backend and executor. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { describe, expect, it, test, vi } from 'vitest';
import {
  AdamW,
  GIAdam,
  Lion,
  LionAR,
  RotationalAdamW,
  RuleOptimizer,
  SGDMomentum,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { UpdateProbe, type MetricName } from '../../src/probes/index.js';
import { metricNames } from '../../src/probes/metrics.js';
import { defineRule, mul, sub } from '../../src/rules/index.js';
import { describeWebGPU } from '../webgpu/support/vitest.js';

type Options = { probe?: UpdateProbe; executor?: 'ops'; clipNorm?: number };

/** All but those of signal and noise, which test/probes/gradient-snr.test.ts compares. */
const metrics: MetricName[] = metricNames.filter(
  (name) => !['gradientSNR', 'noiseScale', 'criticalBatchSize'].includes(name),
);
const shapes: Record<string, number[]> = {
  kernel: [23, 17],
  embedding: [31, 9],
  bias: [17],
  big: [67, 73],
};
const optimizers: Record<string, (options: Options) => FusedOptimizer> = {
  AdamW: (options) => new AdamW({ learningRate: 3e-4, weightDecay: 1e-3, ...options }),
  Lion: (options) => new Lion({ learningRate: 3e-4, ...options }),
  SGDMomentum: (options) => new SGDMomentum({ learningRate: 0.01, weightDecay: 0.01, ...options }),
  RotationalAdamW: (options) =>
    new RotationalAdamW({ learningRate: 1e-3, weightDecay: 0.1, ...options }),
};

const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  Array.from(x).reduce((sum, value, i) => sum + value * y[i], 0);
/** From float64 copies by the cross product's form, which loses no digits of small angles. */
function angle(x: readonly number[], y: readonly number[]): number {
  const change = y.map((value, i) => value - x[i]);
  const [a, b, d] = [dot(x, x), dot(x, change), dot(change, change)];
  const tangential = change.map((value, i) => value - (b / a) * x[i]);
  return d === 0 ? 0 : Math.atan2(Math.sqrt(dot(tangential, tangential)) * Math.sqrt(a), a + b);
}
const neuronsOf = (
  values: readonly number[],
  [rows, columns = 1]: readonly number[],
  axis: number,
): number[][] =>
  axis === 0
    ? Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns))
    : Array.from({ length: columns }, (_, j) => values.filter((_, i) => i % columns === j));

let models = 0;

async function compare(
  make: (options: Options) => FusedOptimizer,
  options: Options,
): Promise<void> {
  const model = `probed${models++}`;
  const variables = Object.entries(shapes).map(([name, shape], i) =>
    tf.variable(tf.randomNormal(shape, 0.1, 1, 'float32', 7 + i), true, `${model}/${name}`),
  );
  const probe = new UpdateProbe({ metrics });
  const optimizer = make({ ...options, probe });
  optimizer.prepare(variables);
  const expected: Record<string, Record<string, number | number[]>>[] = [];
  let momenta: Record<string, number[]> = {};
  const values = async (tensor: tf.Tensor) => Array.from(await tensor.data());
  for (let t = 0; t < 3; t++) {
    const gradients = variables.map((variable, i) => ({
      name: variable.name,
      tensor: tf.randomNormal(variable.shape, 0, 1, 'float32', 100 * t + i),
    }));
    const before = await Promise.all(variables.map(values));
    optimizer.applyGradients(gradients);
    const after = await Promise.all(variables.map(values));
    const norms: Record<string, Record<string, number | number[]>> = {};
    for (const [i, { name, shape }] of variables.entries()) {
      const g = await values(gradients[i].tensor);
      const change = after[i].map((value, k) => value - before[i][k]);
      const m = momenta[name] ?? g.map(() => 0);
      const axis = name.endsWith('embedding') ? 0 : 1;
      const pairs =
        shape.length === 1
          ? before[i].map((value, k) => [[value], [after[i][k]]])
          : neuronsOf(before[i], shape, axis).map((neuron, k) => [
              neuron,
              neuronsOf(after[i], shape, axis)[k],
            ]);
      norms[name] = {
        updateNorm: Math.sqrt(dot(change, change)),
        relativeUpdate: Math.sqrt(dot(change, change) / dot(before[i], before[i])),
        angularUpdate: angle(before[i], after[i]),
        weightNorm: Math.sqrt(dot(before[i], before[i])),
        gradientNorm: Math.sqrt(dot(g, g)),
        gradientMomentumAlignment:
          dot(m, m) === 0 ? 0 : dot(g, m) / Math.sqrt(dot(g, g) * dot(m, m)),
        gradientWeightAlignment:
          dot(g, before[i]) / Math.sqrt(dot(g, g) * dot(before[i], before[i])),
        neuronAngularUpdate: pairs.map(([x, y]) => angle(x, y)),
      };
    }
    expected.push(norms);
    tf.dispose(gradients.map(({ tensor }) => tensor));
    const weights = await optimizer.getWeights();
    momenta = Object.fromEntries(
      await Promise.all(
        weights
          .filter(({ name }) => name.endsWith('/m'))
          .map(async ({ name, tensor }) => [name.slice(0, -2), await values(tensor)]),
      ),
    );
    tf.dispose(weights.map(({ tensor }) => tensor));
  }
  const readings = await probe.read();
  expect(readings.map(({ step }) => step)).toEqual([0, 1, 2]);
  for (const [t, { variables: read }] of readings.entries()) {
    for (const { name } of variables) {
      for (const metric of metrics) {
        const [actual, wanted] = [
          [read[name][metric]!].flat() as number[],
          [expected[t][name][metric]].flat(),
        ];
        // A cosine is a difference of like sums: it is right to so many digits of 1. A bias, whose
        // vectors of one element cannot turn, seems to by the root of the last digits of its
        // float32 sums.
        const tolerance = metric.endsWith('Alignment') ? 2e-6 : 0;
        for (const [k, value] of wanted.entries())
          expect(
            Math.abs(actual[k] - value),
            `${name} ${metric} ${k}: ${actual[k]} for ${value}`,
          ).toBeLessThanOrEqual(
            Math.max(
              tolerance,
              value < 1e-12 && metric === 'neuronAngularUpdate' ? 1e-4 : 1e-5 * Math.abs(value),
            ),
          );
      }
    }
  }
  expect(await probe.read()).toEqual([]);
  optimizer.dispose();
  tf.dispose(variables);
}

describe.each([
  ['wasm', undefined],
  ['cpu', undefined],
  ['wasm', 'ops'],
] as const)('%s, executor %s', (backend, executor) => {
  test.each(Object.entries(optimizers))('%s', async (_, make) => {
    expect(await tf.setBackend(backend)).toBe(true);
    await compare(make, { ...(executor && { executor }) });
    await compare(make, { ...(executor && { executor }), clipNorm: 1 });
  });
});

describeWebGPU('webgpu', () => {
  it.each(Object.entries(optimizers))('%s', async (_, make) => {
    await compare(make, { clipNorm: 1 });
  });
});

describe('on wasm', () => {
  const steps = async (
    optimizer: FusedOptimizer,
    variable: tf.Variable,
    gradients: tf.Tensor[],
  ) => {
    await tf.setBackend('wasm');
    for (const gradient of gradients) optimizer.applyGradients({ [variable.name]: gradient });
  };

  test('a probe changes no bit of the weights', async () => {
    await tf.setBackend('wasm');
    const gradients = Array.from({ length: 5 }, (_, t) =>
      tf.randomNormal([13, 7], 0, 1, 'float32', t),
    );
    const run = async (options: Options) => {
      const variable = tf.variable(tf.ones([13, 7]));
      await steps(new AdamW({ learningRate: 0.01, ...options }), variable, gradients);
      return [...variable.dataSync()];
    };
    expect(await run({ probe: new UpdateProbe({ every: 2 }) })).toEqual(await run({}));
  });

  test('every, variables and keep choose what is read; clipCoefficient is told', async () => {
    await tf.setBackend('wasm');
    const [a, b] = [
      tf.variable(tf.ones([4]), true, 'chosenA'),
      tf.variable(tf.ones([4]), true, 'chosenB'),
    ];
    const probe = new UpdateProbe({ every: 2, variables: ['chosenA'], keep: 2 });
    const optimizer = new SGDMomentum({ learningRate: 0.1, clipNorm: 1, probe });
    for (let t = 0; t < 7; t++)
      optimizer.applyGradients({ chosenA: tf.fill([4], 2), chosenB: tf.zeros([4]) });
    const readings = await probe.read();
    expect(readings.map(({ step }) => step)).toEqual([4, 6]);
    expect(Object.keys(readings[0].variables)).toEqual(['chosenA']);
    expect(readings[0].clipCoefficient).toBeCloseTo(0.25, 12);
    expect(readings[0].variables.chosenA.gradientNorm).toBeCloseTo(4, 12);
    tf.dispose([a, b]);
  });

  test.each([0.05, 0.5, 4])(
    'the signal-to-noise ratio %f is found within 10% after 40 steps',
    async (ratio) => {
      await tf.setBackend('wasm');
      const size = 40_000;
      const variable = tf.variable(tf.zeros([size]));
      const probe = new UpdateProbe({
        metrics: ['gradientSNR', 'noiseScale', 'criticalBatchSize'],
        batchSize: 32,
      });
      const optimizer = new AdamW({ learningRate: 1e-3, probe });
      const signal = tf.fill([size], Math.sqrt(ratio));
      for (let t = 0; t < 40; t++) {
        const gradient = tf.tidy(() =>
          tf.add(signal, tf.randomNormal([size], 0, 1, 'float32', 1000 + t)),
        );
        optimizer.applyGradients({ [variable.name]: gradient });
        gradient.dispose();
      }
      const last = (await probe.read()).at(-1)!.variables[variable.name];
      expect(Math.abs(last.gradientSNR! / ratio - 1)).toBeLessThan(0.1);
      expect(last.noiseScale! * last.gradientSNR!).toBeCloseTo(1, 12);
      expect(last.criticalBatchSize! / last.noiseScale!).toBeCloseTo(32, 9);
      tf.dispose([variable, signal]);
    },
  );

  test('the angle is right within 1e-3 where the radial part is 100 times the tangential', async () => {
    await tf.setBackend('wasm');
    const size = 10_000;
    const weights = tf.randomNormal([size], 0, 1, 'float32', 3);
    const variable = tf.variable(weights.clone());
    const probe = new UpdateProbe({ metrics: ['angularUpdate'] });
    const rule = defineRule({ name: 'radial', update: ({ w, g }) => ({ w: sub(w, mul(0.1, g)) }) });
    const optimizer = new RuleOptimizer({ rule, learningRate: 1, probe });
    const gradient = tf.tidy(() =>
      tf.add(weights, tf.mul(tf.randomNormal([size], 0, 1, 'float32', 4), 1 / 100)),
    );
    const before = Array.from(variable.dataSync());
    optimizer.applyGradients({ [variable.name]: gradient });
    const exact = angle(before, Array.from(variable.dataSync()));
    const [{ variables }] = await probe.read();
    expect(Math.abs(variables[variable.name].angularUpdate! / exact - 1)).toBeLessThan(1e-3);
  });

  test('a gradient that is not finite shows', async () => {
    await tf.setBackend('wasm');
    const variable = tf.variable(tf.ones([3]));
    const probe = new UpdateProbe();
    const optimizer = new GIAdam({ learningRate: 0.1, probe });
    optimizer.applyGradients({ [variable.name]: tf.tensor([1, NaN, 1]) });
    optimizer.applyGradients({ [variable.name]: tf.tensor([1, Infinity, 1]) });
    const [first, second] = await probe.read();
    expect(first.variables[variable.name].gradientNorm).toBeNaN();
    expect(second.variables[variable.name].gradientNorm).toBe(Infinity);
  });

  test('readings that cannot be fetched are an error, and leave no tensor behind', async () => {
    await tf.setBackend('wasm');
    const variable = tf.variable(tf.ones([3]));
    const gradient = tf.ones([3]);
    const probe = new UpdateProbe();
    const optimizer = new GIAdam({ learningRate: 0.1, probe });
    optimizer.applyGradients({ [variable.name]: gradient });
    await probe.read();
    const { numTensors } = tf.memory();
    for (let i = 0; i < 3; i++) optimizer.applyGradients({ [variable.name]: gradient });
    const data = vi.spyOn(tf.Tensor.prototype, 'data').mockRejectedValueOnce(new Error('gone'));
    await expect(probe.read()).rejects.toThrow('the readings of a step cannot be fetched: gone');
    data.mockRestore();
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(await probe.read()).toEqual([]);
    optimizer.dispose();
    tf.dispose([variable, gradient]);
  });

  test("LionAR's angle is the same at every step; its centring is no update", async () => {
    await tf.setBackend('wasm');
    const variable = tf.variable(tf.randomNormal([50, 8], 1, 1, 'float32', 5));
    const probe = new UpdateProbe({ metrics: ['neuronAngularUpdate'] });
    const optimizer = new LionAR({
      learningRate: 0.01,
      rotation: 0.04,
      exactAngle: true,
      zeroMean: true,
      probe,
    });
    optimizer.prepare([variable]);
    for (let t = 0; t < 5; t++)
      optimizer.applyGradients({ [variable.name]: tf.randomNormal([50, 8], 0, 1, 'float32', t) });
    for (const { variables } of await probe.read())
      for (const turned of variables[variable.name].neuronAngularUpdate!)
        expect(Math.abs(turned - 0.04)).toBeLessThan(1e-6);
  });

  test('readings that nobody asks for are freed with the optimizer', async () => {
    await tf.setBackend('wasm');
    const variable = tf.variable(tf.ones([3]));
    const gradient = tf.ones([3]);
    const before = tf.memory().numTensors;
    const optimizer = new AdamW({
      learningRate: 0.1,
      executor: 'ops',
      probe: new UpdateProbe({ keep: 3 }),
    });
    for (let t = 0; t < 10; t++) optimizer.applyGradients({ [variable.name]: gradient });
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('errors', () => {
  test('a probe belongs to one optimizer', () => {
    const probe = new UpdateProbe();
    void new AdamW({ learningRate: 1, probe });
    expect(() => new Lion({ learningRate: 1, probe })).toThrow(
      'UpdateProbe: belongs to AdamW and cannot be given to Lion too; make a probe for each optimizer',
    );
  });
  test.each([
    [{ metrics: ['speed'] }, /metrics must be among updateNorm, .*, got 'speed'/],
    [{ metrics: [] }, /metrics must be a list/],
    [{ every: 0 }, /every must be a whole number of at least 1, got 0/],
    [{ metrics: ['criticalBatchSize'] }, /batchSize must be given for criticalBatchSize/],
    [{ evry: 2 }, /unknown option 'evry'/],
  ])('%j', (options, message) => {
    expect(() => new UpdateProbe(options as never)).toThrow(message);
  });
  test('a rule without momentum has no alignment', async () => {
    await tf.setBackend('wasm');
    const variable = tf.variable(tf.ones([3]));
    const rule = defineRule({
      name: 'descent',
      update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)) }),
    });
    const optimizer = new RuleOptimizer({
      rule,
      learningRate: 0.1,
      probe: new UpdateProbe({ metrics: ['gradientMomentumAlignment'] }),
    });
    expect(() => optimizer.applyGradients({ [variable.name]: tf.ones([3]) })).toThrow(
      /the rule descent has no momentum.*leave the metric out/,
    );
    expect([...variable.dataSync()]).toEqual([1, 1, 1]);
  });
});
