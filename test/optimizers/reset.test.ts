/** Starting state anew, whole or in parts. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  AdamW,
  GIAdam,
  LionAR,
  RotationalAdamW,
  RotationalSGDM,
  RuleOptimizer,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { add, defineRule, mul, sub } from '../../src/rules/index.js';
import { linearWarmup } from '../../src/schedules/index.js';
import { useBackend } from '../support/backends.js';
import { optimizerCases } from '../support/optimizers.js';
import { bitsOf, numbersTensor, numbersVariable, stateOf, stepWith } from '../support/tensors.js';

const places = [
  ['wasm', 'auto'],
  ['wasm', 'ops'],
  ['cpu', 'auto'],
  ['cpu', 'ops'],
] as const;

const made: { dispose(): void }[] = [];
const keep = <T extends { dispose(): void }>(thing: T): T => {
  made.push(thing);
  return thing;
};

describe.each(places)('%s (%s)', (backend, executor) => {
  beforeEach(async () => {
    await useBackend(backend);
    tf.engine().startScope();
  });
  afterEach(() => {
    made.splice(0).forEach((thing) => thing.dispose());
    tf.disposeVariables();
    tf.engine().endScope();
  });

  const shape = [9, 5];
  const train = (optimizer: FusedOptimizer, variables: readonly tf.Variable[], from: number) => {
    for (let t = from; t < from + 4; t++) {
      optimizer.prepare(variables);
      stepWith(
        optimizer,
        ...variables.map((one, i) => [one, numbersTensor(one.shape, 100 * t + i)] as const),
      );
    }
  };

  test.each(optimizerCases)('$name: after reset() it goes on as a new one', ({ make, rates }) => {
    const options = {
      ...rates,
      learningRate: linearWarmup({ peak: rates.learningRate, warmupSteps: 6 }),
      executor,
    };
    const [whole, fresh] = [keep(make(options)), keep(make(options))];
    const pair = [numbersVariable(shape, 1), numbersVariable([5, 2], 2)];
    train(whole, pair, 0);
    // Before the reset, which prepares them.
    const twins = pair.map((one) => tf.variable(one.clone()));
    whole.reset();
    expect(whole.iterations).toBe(0);
    train(whole, pair, 4);
    train(fresh, twins, 4);
    expect(pair.map(bitsOf)).toEqual(twins.map(bitsOf));
  });

  test('of some variables: the others and the steps stay', async () => {
    const optimizer = keep(new AdamW({ learningRate: 0.1, executor }));
    const [a, b] = [numbersVariable([3], 1, 'a'), numbersVariable([3], 2, 'b')];
    train(optimizer, [a, b], 0);
    const before = await stateOf(optimizer);
    optimizer.reset([a]);
    expect(await stateOf(optimizer)).toEqual({
      ...before,
      manifest: [1, 6, 4, 0, 4],
      'a/count': [0],
      'a/m': [0, 0, 0],
      'a/v': [0, 0, 0],
    });
  });

  test.each([
    [{ counts: true }, { count: 0, moments: 'kept' }],
    [{ moments: true }, { count: 4, moments: 'zero' }],
    [{ norms: true }, { count: 4, moments: 'kept' }],
    [{ norms: false }, { count: 0, moments: 'zero' }],
    [{ moments: false }, { count: 0, moments: 'kept' }],
    [
      { moments: true, counts: true },
      { count: 0, moments: 'zero' },
    ],
    [{}, { count: 0, moments: 'zero' }],
  ])('parts: %j', async (options, expected) => {
    const optimizer = keep(new AdamW({ learningRate: 0.1, executor }));
    const a = numbersVariable([3], 1, 'a');
    train(optimizer, [a], 0);
    const before = await stateOf(optimizer);
    optimizer.reset([a], options);
    const state = await stateOf(optimizer);
    expect(state['a/count']).toEqual([expected.count]);
    for (const slot of ['a/m', 'a/v'])
      expect(state[slot]).toEqual(expected.moments === 'kept' ? before[slot] : [0, 0, 0]);
    expect(state.iter).toEqual([4]);
  });

  const rotational: [string, () => FusedOptimizer, boolean][] = [
    ['LionAR', () => new LionAR({ learningRate: 1e-4, rotation: 1e-3, executor }), false],
    [
      'RotationalAdamW',
      () => new RotationalAdamW({ learningRate: 1e-4, zeroMean: false, executor }),
      false,
    ],
    [
      'RotationalSGDM, centred',
      () => new RotationalSGDM({ learningRate: 1e-4, weightDecay: 0.1, executor }),
      true,
    ],
    [
      'RotationalAdamW, a norm for the tensor',
      () =>
        new RotationalAdamW({ learningRate: 1e-4, perNeuron: false, zeroMean: false, executor }),
      false,
    ],
  ];
  test.each(rotational)('%s: norms of weights that were put in', (_, make, isCentred) => {
    const optimizer = keep(make());
    const w = numbersVariable([6, 4], 1);
    const step = () => optimizer.minimize(() => tf.mean(tf.square(w)), false, [w]);
    step();
    const slots = () => optimizer.readState(w)!.slots;
    w.assign(tf.mul(numbersTensor([6, 4], 2), 10));
    const norm = tf.norm(w).dataSync()[0];
    const [moment, count] = [bitsOf(slots().m), optimizer.readState(w)!.count];
    optimizer.reset([w], { norms: true });
    expect(bitsOf(slots().m)).toEqual(moment);
    expect(optimizer.readState(w)!.count).toBe(count);
    expect(tf.norm(w).dataSync()[0]).toBeCloseTo(norm, 4);
    const mean = Math.max(...tf.abs(tf.mean(w, 0)).dataSync());
    if (isCentred) expect(mean).toBeLessThan(1e-5);
    else expect(mean).toBeGreaterThan(0.1);
    step();
    expect(tf.norm(w).dataSync()[0]).toBeCloseTo(norm, 3);
  });

  test('norms that were measured anew are saved', async () => {
    const make = () => keep(new RotationalAdamW({ learningRate: 1e-4, zeroMean: false, executor }));
    const optimizer = make();
    const w = numbersVariable([6, 4], 1, 'w');
    train(optimizer, [w], 0);
    w.assign(tf.ones([6, 4]));
    optimizer.reset(undefined, { norms: true });
    const next = make();
    await next.setWeights(await optimizer.getWeights());
    train(next, [w], 4);
    expect(tf.norm(w).dataSync()[0]).toBeCloseTo(Math.sqrt(24), 3);
  });

  test('what a rule measures before the first step is no moment', () => {
    const rule = defineRule({
      name: 'anchored',
      slots: { anchor: 'element', m: 'element' },
      prepare: ({ w }) => ({ w: mul(w, 1), anchor: w }),
      update: ({ w, g, m, anchor }) => ({ w: sub(w, sub(g, mul(anchor, 0))), m: add(m, g) }),
    });
    const optimizer = keep(new RuleOptimizer({ rule, learningRate: 1, executor }));
    const w = numbersVariable([3], 1);
    const anchor = bitsOf(w);
    train(optimizer, [w], 0);
    const slots = () => optimizer.readState(w)!.slots;
    optimizer.reset([w], { moments: true });
    expect([bitsOf(slots().anchor), ...slots().m.dataSync()]).toEqual([anchor, 0, 0, 0]);
    optimizer.reset([w], { norms: true });
    expect(bitsOf(slots().anchor)).toEqual(bitsOf(w));
  });

  test('random numbers are drawn as at the start', () => {
    const optimizer = keep(
      new GIAdam({ learningRate: 0.1, initialization: 'random', seed: 2, executor }),
    );
    const [a, b] = [numbersVariable([4], 1), numbersVariable([4], 2)];
    optimizer.prepare([a, b]);
    const v = (one: tf.Variable) => bitsOf(optimizer.readState(one)!.slots.v);
    const start = [v(a), v(b)];
    train(optimizer, [a, b], 0);
    expect([v(a), v(b)]).not.toEqual(start);
    optimizer.reset([a, b], { moments: true });
    expect([v(a), v(b)]).toEqual(start);
  });

  test('loaded state: reset() drops it; parts of it need the variables', async () => {
    const optimizer = keep(new AdamW({ learningRate: 0.1, executor }));
    const a = numbersVariable([3], 1, 'a');
    train(optimizer, [a], 0);
    const weights = await optimizer.getWeights();
    const next = keep(new AdamW({ learningRate: 0.1, executor }));
    await next.setWeights(weights);
    const message =
      'AdamW: reset must be given the variables, since loaded state has not found its own yet';
    expect(() => next.reset(undefined, { counts: true })).toThrow(message);
    expect(next.iterations).toBe(4);
    next.reset([a], { counts: true });
    expect(await stateOf(next)).toMatchObject({ iter: [4], 'a/count': [0] });
    expect((await stateOf(next))['a/m']).not.toEqual([0, 0, 0]);
    await next.setWeights(weights);
    next.reset();
    expect(await stateOf(next)).toEqual({ iter: [0] });
  });

  test('bad options change nothing', async () => {
    const optimizer = keep(new AdamW({ learningRate: 0.1, executor }));
    const a = numbersVariable([3], 1, 'a');
    train(optimizer, [a], 0);
    const before = await stateOf(optimizer);
    const bad: [unknown, string][] = [
      [{ norm: true }, "AdamW: reset: unknown option 'norm', allowed are norms, moments, counts"],
      [{ counts: 1 }, 'AdamW: reset: counts must be true or false, got 1'],
      [null, 'AdamW: reset: options must be an object'],
    ];
    for (const [options, message] of bad)
      expect(() => optimizer.reset([a], options as never)).toThrow(message);
    expect(await stateOf(optimizer)).toEqual(before);
    optimizer.dispose();
    expect(() => optimizer.reset()).toThrow('AdamW: this optimizer was disposed');
  });

  test('leaves nothing behind', () => {
    const optimizer = keep(new RotationalAdamW({ learningRate: 0.1, executor }));
    const w = numbersVariable([6, 4], 1);
    train(optimizer, [w], 0);
    const before = tf.memory().numTensors;
    for (let i = 0; i < 5; i++) optimizer.reset();
    expect(tf.memory().numTensors).toBe(before);
  });
});
