/**
 * Weights change in place. Nothing but the variable itself may notice: not the tensor it came from,
 * not a view, not a twin.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, test } from 'vitest';
import { AdamW, RuleOptimizer } from '../../src/optimizers/index.js';
import { defineRule, mul, sub } from '../../src/rules/index.js';
import {
  bitsOf,
  numbers,
  numbersTensor,
  numbersVariable,
  optimizers,
  stateOf,
  stepWith,
  useBackend,
} from './tools.js';

const shape = [13, 7];
/** With a norm to clip by, a gradient is read before the weights are; without, after. */
let clipNorm: number | undefined;
const make = () => new AdamW({ learningRate: 0.1, clipNorm });
const gradient = (seed = 50) => numbersTensor(shape, seed);

/** What the variable must be after one step from these weights. */
function alone(weights: Float32Array, seed = 50): Int32Array {
  const variable = tf.tidy(() => tf.variable(tf.tensor(weights.slice(), shape)));
  const optimizer = make();
  stepWith(optimizer, [variable, gradient(seed)]);
  const bits = bitsOf(variable);
  optimizer.dispose();
  variable.dispose();
  return bits;
}

const initial = numbers(13 * 7, 1);
const initialBits = new Int32Array(initial.slice().buffer);

describe.each([
  ['wasm', undefined],
  ['wasm', 1],
  ['cpu', undefined],
  ['cpu', 1],
])('%s, clipNorm %s', (backend, norm) => {
  beforeEach(async () => {
    clipNorm = norm;
    await useBackend(backend);
  });

  test('two variables of one tensor, one stepped', () => {
    const x = numbersTensor(shape, 1);
    const [a, b] = [tf.variable(x), tf.variable(x)];
    const optimizer = make();
    stepWith(optimizer, [a, gradient()]);
    expect(bitsOf(a)).toEqual(alone(initial));
    expect(bitsOf(b)).toEqual(initialBits);
    expect(bitsOf(x)).toEqual(initialBits);
    optimizer.dispose();
    tf.dispose([x, a, b]);
  });

  test('two variables of one tensor, both stepped at once', () => {
    const x = numbersTensor(shape, 1);
    const [a, b] = [tf.variable(x), tf.variable(x)];
    x.dispose();
    const optimizer = new AdamW({ learningRate: 0.1 });
    const [ga, gb] = [gradient(50), gradient(51)];
    stepWith(optimizer, [a, ga], [b, gb]);
    const [c, d] = [numbersVariable(shape, 1), numbersVariable(shape, 1)];
    const separate = new AdamW({ learningRate: 0.1 });
    stepWith(separate, [c, gradient(50)], [d, gradient(51)]);
    expect(bitsOf(a)).toEqual(bitsOf(c));
    expect(bitsOf(b)).toEqual(bitsOf(d));
    expect(bitsOf(a)).not.toEqual(bitsOf(b));
    optimizer.dispose();
    separate.dispose();
    tf.dispose([a, b, c, d]);
  });

  test('assign shares: the assigned tensor and the other variable stay', () => {
    const [a, b] = [numbersVariable(shape, 2), numbersVariable(shape, 1)];
    const optimizer = make();
    // The optimizer knows `a` already when it begins to share.
    stepWith(optimizer, [b, gradient()]);
    b.assign(tf.tidy(() => numbersTensor(shape, 1)));
    a.assign(b);
    const fresh = make();
    stepWith(fresh, [a, gradient()]);
    expect(bitsOf(a)).toEqual(alone(initial));
    expect(bitsOf(b)).toEqual(initialBits);
    stepWith(fresh, [b, gradient()]);
    expect(bitsOf(a)).toEqual(alone(initial));
    optimizer.dispose();
    fresh.dispose();
    tf.dispose([a, b]);
  });

  test.each<[string, (v: tf.Variable) => tf.Tensor]>([
    ['reshape', (v) => v.reshape([91])],
    ['clone', (v) => v.clone()],
    ['flatten', (v) => v.flatten()],
    ['expandDims', (v) => v.expandDims(0)],
    ['identity', (v) => tf.cast(v, 'float32')],
  ])('a view by %s keeps the old weights', (_, view) => {
    const v = numbersVariable(shape, 1);
    const old = view(v);
    const optimizer = make();
    stepWith(optimizer, [v, gradient()]);
    expect(bitsOf(v)).toEqual(alone(initial));
    expect(bitsOf(old)).toEqual(initialBits);
    optimizer.dispose();
    tf.dispose([v, old]);
  });

  test('a gradient that is a view of the variable', () => {
    const v = numbersVariable(shape, 1);
    const g = v.reshape(shape);
    const optimizer = make();
    optimizer.applyGradients([{ name: v.name, tensor: g }]);
    expect(bitsOf(v)).toEqual(alone(initial, 1));
    expect(bitsOf(g)).toEqual(initialBits);
    optimizer.dispose();
    tf.dispose([v, g]);
  });

  test('a gradient that is the variable itself', () => {
    const v = numbersVariable(shape, 1);
    const optimizer = make();
    optimizer.applyGradients([{ name: v.name, tensor: v }]);
    expect(bitsOf(v)).toEqual(alone(initial, 1));
    optimizer.dispose();
    v.dispose();
  });

  test('one tensor as the gradient of two variables, and its views', () => {
    const [a, b] = [numbersVariable(shape, 1), numbersVariable([91], 1)];
    const g = gradient();
    const view = g.reshape([91]);
    const before = bitsOf(g);
    const optimizer = new AdamW({ learningRate: 0.1, weightDecay: 0 });
    optimizer.applyGradients([
      { name: a.name, tensor: g },
      { name: b.name, tensor: view },
    ]);
    expect(bitsOf(a)).toEqual(bitsOf(b));
    expect(bitsOf(g)).toEqual(before);
    optimizer.dispose();
    tf.dispose([a, b, g, view]);
  });

  test('one variable as the gradient of another that shares its data', () => {
    const x = numbersTensor(shape, 1);
    const [a, b] = [tf.variable(x), tf.variable(x)];
    x.dispose();
    const optimizer = make();
    optimizer.applyGradients([{ name: a.name, tensor: b }]);
    expect(bitsOf(a)).toEqual(alone(initial, 1));
    expect(bitsOf(b)).toEqual(initialBits);
    optimizer.dispose();
    tf.dispose([a, b]);
  });

  test('arrays of the user never change', () => {
    const array = initial.slice();
    const gradients = numbers(91, 50);
    const v = tf.tidy(() => tf.variable(tf.tensor(array, shape)));
    const optimizer = make();
    const g = tf.tensor(gradients, shape);
    const before = v.dataSync();
    const beforeCopy = before.slice();
    for (let i = 0; i < 3; i++) optimizer.applyGradients([{ name: v.name, tensor: g }]);
    expect(array).toEqual(initial);
    expect(gradients).toEqual(numbers(91, 50));
    expect(before).toEqual(beforeCopy);
    // An array that dataSync gave is the user's as well; on cpu it may be the live one.
    const live = v.dataSync();
    const copy = live.slice();
    optimizer.applyGradients([{ name: v.name, tensor: g }]);
    expect(live).toEqual(copy);
    optimizer.dispose();
    tf.dispose([v, g]);
  });

  test('a read that is pending when the step comes gives the weights of its time', async () => {
    const v = numbersVariable(shape, 1);
    const optimizer = make();
    const pending = v.data();
    stepWith(optimizer, [v, gradient()]);
    expect(new Int32Array((await pending).slice().buffer)).toEqual(initialBits);
    expect(bitsOf(v)).toEqual(alone(initial));
    optimizer.dispose();
    v.dispose();
  });

  test('slots that were read or loaded are copies', async () => {
    const v = numbersVariable(shape, 1);
    const optimizer = make();
    stepWith(optimizer, [v, gradient()]);
    const saved = await optimizer.getWeights();
    const before = saved.map(({ tensor }) => [...tensor.dataSync()]);
    stepWith(optimizer, [v, gradient(51)]);
    expect(saved.map(({ tensor }) => [...tensor.dataSync()])).toEqual(before);
    await optimizer.setWeights(saved);
    stepWith(optimizer, [v, gradient(52)]);
    expect(saved.map(({ tensor }) => [...tensor.dataSync()])).toEqual(before);
    optimizer.dispose();
    tf.dispose([v, ...saved.map(({ tensor }) => tensor)]);
  });

  test('prepare copies a shared weight too', () => {
    const rule = defineRule({
      name: 'halved',
      prepare: ({ w }) => ({ w: mul(w, 0.5) }),
      update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)) }),
    });
    const x = numbersTensor(shape, 1);
    const v = tf.variable(x);
    const optimizer = new RuleOptimizer({ rule, learningRate: 0.1 });
    optimizer.prepare([v]);
    expect(bitsOf(x)).toEqual(initialBits);
    expect(v.dataSync()).toEqual(initial.map((value) => value * 0.5));
    optimizer.dispose();
    tf.dispose([x, v]);
  });

  describe('data that live on the other backend', () => {
    const other = backend === 'wasm' ? 'cpu' : 'wasm';

    test('variable and gradient', async () => {
      await useBackend(other);
      const [v, g] = [numbersVariable(shape, 1), gradient()];
      await useBackend(backend);
      const optimizer = make();
      stepWith(optimizer, [v, g]);
      expect(bitsOf(v)).toEqual(alone(initial));
      optimizer.dispose();
      v.dispose();
    });

    test('a shared variable: the tensor and its array stay', async () => {
      await useBackend(other);
      const array = initial.slice();
      const x = tf.tensor(array, shape);
      const [a, b] = [tf.variable(x), tf.variable(x)];
      await useBackend(backend);
      const optimizer = make();
      stepWith(optimizer, [a, gradient()]);
      expect(bitsOf(a)).toEqual(alone(initial));
      expect(bitsOf(b)).toEqual(initialBits);
      expect(bitsOf(x)).toEqual(initialBits);
      expect(array).toEqual(initial);
      optimizer.dispose();
      tf.dispose([x, a, b]);
    });

    test('a gradient that shares the data of its variable', async () => {
      await useBackend(other);
      const v = numbersVariable(shape, 1);
      const g = v.clone();
      await useBackend(backend);
      const optimizer = make();
      optimizer.applyGradients([{ name: v.name, tensor: g }]);
      expect(bitsOf(v)).toEqual(alone(initial, 1));
      expect(bitsOf(g)).toEqual(initialBits);
      optimizer.dispose();
      tf.dispose([v, g]);
    });
  });
});

describe('tf.setBackend in mid-run', () => {
  /** Trains for 12 steps, on the backends in turn, and gives the weights and the state. */
  async function train(name: string, executor: 'auto' | 'ops', backends: string[]) {
    await useBackend(backends[0]);
    const [a, b] = [numbersVariable(shape, 1, 'switched/a'), numbersVariable([5], 2, 'switched/b')];
    const optimizer = optimizers[name]({ learningRate: 0.1, weightDecay: 0.1, executor });
    const names: string[] = [];
    for (let i = 0; i < 12; i++) {
      await useBackend(backends[Math.floor((i * backends.length) / 12)]);
      // `b` misses steps, the first one after each switch among them: its slots move unused.
      stepWith(
        optimizer,
        [a, gradient(100 + i)],
        ...(i % 4 ? [[b, numbersTensor([5], 200 + i)] as [tf.Variable, tf.Tensor]] : []),
      );
      names.push(optimizer.executorName);
    }
    const result = {
      a: bitsOf(a),
      b: bitsOf(b),
      state: await stateOf(optimizer),
      names: [...new Set(names)],
    };
    optimizer.dispose();
    tf.dispose([a, b]);
    return result;
  }

  test.each(Object.keys(optimizers))(
    '%s: wasm, cpu, wasm equals wasm alone, bit for bit',
    async (name) => {
      expect(await train(name, 'auto', ['wasm', 'cpu', 'wasm'])).toEqual(
        await train(name, 'auto', ['wasm']),
      );
    },
  );

  test.each(Object.keys(optimizers))(
    '%s: cpu, wasm, cpu equals cpu alone, bit for bit',
    async (name) => {
      expect(await train(name, 'auto', ['cpu', 'wasm', 'cpu'])).toEqual(
        await train(name, 'auto', ['cpu']),
      );
    },
  );

  test.each(Object.keys(optimizers))(
    '%s, ops executor: wasm, cpu, wasm equals wasm alone',
    async (name) => {
      expect(await train(name, 'ops', ['wasm', 'cpu', 'wasm'])).toEqual(
        await train(name, 'ops', ['wasm']),
      );
    },
  );

  test('a switch and back between two steps moves the slots only when they are needed, and loses none', async () => {
    await useBackend('wasm');
    const v = numbersVariable(shape, 1);
    const optimizer = make();
    stepWith(optimizer, [v, gradient()]);
    const before = await stateOf(optimizer);
    await useBackend('cpu');
    expect(await stateOf(optimizer)).toEqual(before);
    expect(optimizer.executorName).toBe('wasm');
    expect(await stateOf(optimizer)).toEqual(before);
    await useBackend('wasm');
    expect(await stateOf(optimizer)).toEqual(before);
    stepWith(optimizer, [v, gradient()]);
    optimizer.dispose();
    v.dispose();
  });

  test('state that waits for its variable survives a switch', async () => {
    await useBackend('wasm');
    const v = numbersVariable(shape, 1);
    const optimizer = make();
    stepWith(optimizer, [v, gradient()]);
    const saved = await optimizer.getWeights();
    await optimizer.setWeights(saved);
    const before = await stateOf(optimizer);
    await useBackend('cpu');
    expect(await stateOf(optimizer)).toEqual(before);
    stepWith(optimizer, [v, gradient()]);
    expect((await stateOf(optimizer))[`${v.name}/count`]).toEqual([2]);
    optimizer.dispose();
    tf.dispose([v, ...saved.map(({ tensor }) => tensor)]);
  });
});
