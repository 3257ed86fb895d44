/**
 * What a step asks of the device: true on every GPU, where times on a software driver would say
 * nothing.
 */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, it } from 'vitest';
import {
  AdamW,
  Lion,
  RotationalAdamW,
  type FusedOptimizer,
  rrc,
} from '../../src/optimizers/index.js';
import { UpdateProbe } from '../../src/probes/index.js';
import { numbers } from '../executors/tools.js';
import { countCalls, type CallCounter, type Calls } from './support/counters.js';
import { describeWebGPU } from './support/vitest.js';
import { backend, makeAdamW, step, submit, variableOf } from './tools.js';

type Training = { readonly step: () => void; readonly end: () => void };

/** Variables of these shapes and gradients whose buffers stay the same. */
function training(optimizer: FusedOptimizer, shapes: readonly number[][]): Training {
  const updates = shapes.map((shape, i) => {
    const values = numbers(tf.util.sizeFromShape(shape), i);
    return [
      variableOf(values, shape),
      tf.tensor(
        values.map((x) => x + 0.25),
        shape,
      ),
    ] as const;
  });
  optimizer.prepare(updates.map(([variable]) => variable));
  return {
    step: () => step(optimizer, ...updates),
    end: () => {
      optimizer.dispose();
      for (const update of updates) tf.dispose([...update]);
    },
  };
}

const sizes = Array.from({ length: 150 }, (_, i) => 7 + Math.round((i * (2048 - 7)) / 149));

describeWebGPU('a step asks the device', () => {
  let counter: CallCounter;
  afterEach(() => counter.stop());

  const steps = 4;
  /** The calls of so many steps after the first three, with nothing else in between. */
  async function callsOf({ step, end }: Training): Promise<Calls> {
    counter = countCalls(backend().device);
    for (let i = 0; i < 3; i++) step();
    submit();
    counter.since();
    for (let i = 0; i < steps; i++) step();
    submit();
    const calls = counter.since();
    await backend().queue.onSubmittedWorkDone();
    end();
    return calls;
  }
  const once = {
    writes: steps,
    bindGroups: 0,
    pipelines: 0,
    shaderModules: 0,
    buffersCreated: 0,
    copies: 0,
    maps: 0,
  };

  it.each<[string, () => FusedOptimizer]>([
    ['AdamW', makeAdamW],
    ['Lion', () => new Lion({ learningRate: 0.001 })],
  ])(
    'for %s of 150 variables at most 50 dispatches, 4 submits and one upload, and for nothing new',
    async (_, make) => {
      const calls = await callsOf(
        training(
          make(),
          sizes.map((size) => [size]),
        ),
      );
      expect(calls).toMatchObject(once);
      expect(calls.dispatches).toBeLessThanOrEqual(steps * 50);
      expect(calls.submits).toBeLessThanOrEqual(steps * 4);
      // A pass ends only where tfjs submits.
      expect(calls.computePasses).toBeLessThanOrEqual(calls.submits);
    },
  );

  it('at most twice that and two small dispatches where clipNorm is given, without reading anything back', async () => {
    const few = sizes.filter((_, i) => i % 5 === 0);
    const calls = await callsOf(
      training(
        new AdamW({ learningRate: 0.01, clipNorm: 1 }),
        few.map((size) => [size]),
      ),
    );
    expect(calls).toMatchObject(once);
    expect(calls.dispatches).toBeLessThanOrEqual(steps * (2 * Math.ceil(few.length / 3) + 2));
    expect(calls.computePasses).toBeLessThanOrEqual(calls.submits);
  });

  it('one dispatch for each variable that rotates', async () => {
    const rotating = [
      [40, 5],
      [9, 50],
      [3, 300],
      [3, 3, 5, 7],
      [600, 4],
      [7, 7],
    ];
    const calls = await callsOf(
      training(new RotationalAdamW({ learningRate: 0.01, weightDecay: 0.1 }), [
        ...rotating,
        [5],
        [50],
        [7],
      ]),
    );
    expect(calls).toMatchObject({ ...once, dispatches: steps * (rotating.length + 1) });
  });

  it('for tensor sums that the update needs: a sweep, one combine of all variables, a sweep', async () => {
    const calls = await callsOf(
      training(
        new AdamW({ learningRate: 0.01, rrc: rrc({ immediate: true }) }),
        sizes.slice(0, 12).map((size) => [size]),
      ),
    );
    expect(calls).toMatchObject({ ...once, dispatches: steps * (4 + 1 + 4) });
    expect(calls.computePasses).toBeLessThanOrEqual(calls.submits);
  });

  it('for tensor sums that only the state needs: a sweep, and one combine of all variables', async () => {
    const calls = await callsOf(
      training(
        new AdamW({ learningRate: 0.01, rrc: rrc({}) }),
        sizes.slice(0, 12).map((size) => [size]),
      ),
    );
    expect(calls).toMatchObject({ ...once, dispatches: steps * (4 + 1) });
  });
});

describeWebGPU('steps that a probe watches', () => {
  const layers = [[40, 5], [5], [9, 50], [50], [3, 3, 5, 7], [7]];
  it.each<[string, (probe?: UpdateProbe) => FusedOptimizer]>([
    ['AdamW', (probe) => new AdamW({ learningRate: 0.01, probe })],
    ['AdamW that clips', (probe) => new AdamW({ learningRate: 0.01, clipNorm: 1, probe })],
    ['Lion', (probe) => new Lion({ learningRate: 0.001, probe })],
    [
      'RotationalAdamW',
      (probe) => new RotationalAdamW({ learningRate: 0.01, weightDecay: 0.1, probe }),
    ],
  ])(
    'of %s take one small dispatch more, and nothing is fetched before it is asked for',
    async (_, make) => {
      const counter = countCalls(backend().device);
      const probe = new UpdateProbe({
        metrics: ['relativeUpdate', 'angularUpdate', 'gradientNorm'],
      });
      const [plain, probed] = [make(), make(probe)].map((optimizer) => {
        const { step, end } = training(optimizer, layers);
        for (let i = 0; i < 2; i++) step();
        counter.since();
        step();
        submit();
        const calls = counter.since();
        end();
        return calls;
      });
      expect(probed.dispatches).toBe(plain.dispatches + 1);
      expect([plain.maps, probed.maps]).toEqual([0, 0]);
      await backend().queue.onSubmittedWorkDone();
      counter.stop();
    },
  );

  it('ask for nothing new either, read or not, and leave nothing behind', async () => {
    const counter = countCalls(backend().device);
    const round = async (): Promise<void> => {
      const probe = new UpdateProbe({ metrics: ['updateNorm'] });
      const { step, end } = training(new AdamW({ learningRate: 0.01, clipNorm: 1, probe }), [
        [9],
        [4, 3],
      ]);
      for (let i = 0; i < 3; i++) step();
      expect(await probe.read()).toHaveLength(3);
      counter.since();
      for (let i = 0; i < 5; i++) {
        step();
        expect(await probe.read()).toHaveLength(1);
      }
      for (let i = 0; i < 2; i++) step();
      expect(counter.since()).toMatchObject({
        bindGroups: 0,
        pipelines: 0,
        shaderModules: 0,
        buffersCreated: 0,
        writes: 7,
        maps: 5,
      });
      end();
      probe.dispose();
      submit();
      await backend().queue.onSubmittedWorkDone();
    };
    for (let i = 0; i < 2; i++) await round();
    const before = counter.live();
    for (let i = 0; i < 3; i++) await round();
    expect(counter.live()).toEqual(before);
    counter.stop();
  });
});

describeWebGPU('optimizers that come and go', () => {
  it('leave no GPU buffer and no tensor behind', async () => {
    const round = async (): Promise<void> => {
      const variables = [variableOf(numbers(5, 1)), variableOf(numbers(12, 2), [4, 3])];
      const gradients = [tf.tensor1d(numbers(5, 3)), tf.tensor(numbers(12, 4), [4, 3])];
      const optimizer = new RotationalAdamW({ learningRate: 0.01, weightDecay: 0.1, clipNorm: 1 });
      optimizer.prepare(variables);
      for (let i = 0; i < 2; i++)
        step(optimizer, ...variables.map((variable, k) => [variable, gradients[k]] as const));
      const saved = (await optimizer.getWeights()).map(({ name, tensor }) => ({ name, tensor }));
      await optimizer.setWeights(saved);
      step(optimizer, ...variables.map((variable, k) => [variable, gradients[k]] as const));
      optimizer.dispose();
      tf.dispose([variables, gradients, saved.map(({ tensor }) => tensor)]);
      submit();
      await backend().queue.onSubmittedWorkDone();
    };
    const counter = countCalls(backend().device);
    // tfjs keeps a pool of buffers, which the first rounds fill.
    for (let i = 0; i < 3; i++) await round();
    const [before, tensors] = [counter.live(), tf.memory().numTensors];
    for (let i = 0; i < 50; i++) await round();
    expect(counter.live()).toEqual(before);
    expect(tf.memory().numTensors).toBe(tensors);
    counter.stop();
  });
});
