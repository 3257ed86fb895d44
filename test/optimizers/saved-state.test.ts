/** What `getWeights` gives and `setWeights` takes: whole or not at all. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  AdamW,
  GIAdam,
  Lion,
  RAdam,
  registerOptimizers,
  SGDMomentum,
  type FusedOptimizer,
  type NamedTensor,
} from '../../src/optimizers/index.js';
import { useBackend } from '../support/backends.js';
import { bitsOf, numbersTensor, numbersVariable, stateOf, stepWith } from '../support/tensors.js';

beforeEach(async () => {
  await useBackend('wasm');
  tf.engine().startScope();
});
afterEach(() => {
  tf.disposeVariables();
  tf.engine().endScope();
});

const make = () => new AdamW({ learningRate: 0.1 });

/** An optimizer that has made steps on two variables. */
function trained(steps = 5) {
  const variables = [numbersVariable([4], 1, 'x'), numbersVariable([3], 2, 'y')];
  const optimizer = make();
  for (let t = 0; t < steps; t++)
    stepWith(
      optimizer,
      [variables[0], numbersTensor([4], t)],
      [variables[1], numbersTensor([3], t)],
    );
  return { variables, optimizer };
}

const named = (weights: Record<string, tf.Tensor>): NamedTensor[] =>
  Object.entries(weights).map(([name, tensor]) => ({ name, tensor }));

describe('a list that is not what was saved', () => {
  test.each([
    ['cut at a variable', (list: NamedTensor[]) => list.slice(0, 5)],
    ['cut within a variable', (list: NamedTensor[]) => list.slice(0, 7)],
    ['cut behind the manifest', (list: NamedTensor[]) => list.slice(0, 2)],
    [
      'without a variable in the middle',
      (list: NamedTensor[]) => list.filter(({ name }) => !name.startsWith('x/')),
    ],
    [
      'with more',
      (list: NamedTensor[]) => [...list, ...named({ 'z/count': tf.scalar(5, 'int32') })],
    ],
  ])('%s', async (_, change) => {
    const { optimizer } = trained();
    const weights = await optimizer.getWeights();
    const before = await stateOf(optimizer);
    const changed = change(weights);
    const tensors = tf.memory().numTensors;
    await expect(optimizer.setWeights(changed)).rejects.toThrow(
      `AdamW: saved weights must be whole, and all of one step; 6 were saved at step 5, got ${changed.length - 2} of step 5`,
    );
    await expect(make().setWeights(changed)).rejects.toThrow('must be whole');
    expect(tf.memory().numTensors).toBe(tensors);
    expect(await stateOf(optimizer)).toEqual(before);
  });

  test.each([
    ['the step', ['iter']],
    ['the manifest', ['manifest']],
    ['the count of a variable', ['y/count']],
    ['all of a variable', ['x/count', 'x/m', 'x/v']],
  ])('%s of another step', async (_, later) => {
    const { variables, optimizer } = trained();
    const weights = await optimizer.getWeights();
    stepWith(
      optimizer,
      [variables[0], numbersTensor([4], 7)],
      [variables[1], numbersTensor([3], 7)],
    );
    const next = await optimizer.getWeights();
    const mixed = weights.map((weight, i) => (later.includes(weight.name) ? next[i] : weight));
    await expect(make().setWeights(mixed)).rejects.toThrow('all of one step');
    await make().setWeights(next);
  });
});

test('the state is that of the moment at which it is asked for', async () => {
  const { variables, optimizer } = trained();
  const expected = await stateOf(optimizer);
  const pending = optimizer.getWeights();
  stepWith(optimizer, [variables[0], numbersTensor([4], 7)]);
  const weights = await pending;
  expect(
    Object.fromEntries(weights.map(({ name, tensor }) => [name, [...tensor.dataSync()]])),
  ).toEqual(expected);
});

test('what version 0.1.0 saved loads', async () => {
  const optimizer = make();
  await optimizer.setWeights(
    named({
      iter: tf.scalar(3, 'int32'),
      'x/count': tf.scalar(2, 'int32'),
      'x/m': tf.tensor1d([1, 2]),
      'x/v': tf.tensor1d([3, 4]),
      'y/count': tf.scalar(3, 'int32'),
      'y/m': tf.scalar(5),
      'y/v': tf.scalar(6),
    }),
  );
  expect(optimizer.iterations).toBe(3);
  expect(await stateOf(optimizer)).toEqual({
    iter: [3],
    manifest: [1, 6, 3, 0, 5],
    'x/count': [2],
    'x/m': [1, 2],
    'x/v': [3, 4],
    'y/count': [3],
    'y/m': [5],
    'y/v': [6],
  });
});

test.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 12_345, 2 ** 52 + 1])(
  'a step of %d is saved exactly',
  async (step) => {
    const first = new SGDMomentum({ learningRate: 0.1 });
    const x = numbersVariable([2], 1, 'x');
    const [low, high] = [(step - 1) % 2 ** 31, Math.floor((step - 1) / 2 ** 31)];
    const integer = () => tf.tensor1d([low, high], 'int32');
    await first.setWeights(named({ iter: integer(), 'x/count': integer(), 'x/m': tf.zeros([2]) }));
    expect(first.iterations).toBe(step - 1);
    stepWith(first, [x, numbersTensor([2], 1)]);
    const second = new SGDMomentum({ learningRate: 0.1 });
    await second.setWeights(await first.getWeights());
    expect(second.iterations).toBe(step);
    expect(second.readState(x)!.count).toBe(step);
    stepWith(second, [x, numbersTensor([2], 1)]);
    expect(second.readState(x)!.count).toBe(step + 1);
  },
);

describe('a refused setWeights changes nothing and leaves nothing', () => {
  const bad: [string, (weights: NamedTensor[]) => unknown, string][] = [
    [
      'no list',
      () => null,
      "AdamW: saved weights must be named 'iter', then <variable>/<slot>, got null",
    ],
    [
      'a hole',
      (list) => [list[0], null, ...list.slice(1)],
      "then <variable>/<slot>, got ['iter',undefined,",
    ],
    ['a name that is no text', (list) => [list[0], { ...list[1], name: 5 }], "got ['iter',5]"],
    [
      'no tensor',
      (list) => [...list.slice(0, -1), { name: 'y/v', tensor: [1] }],
      "AdamW: the saved 'y/v' is no tensor, or was disposed",
    ],
    [
      'a disposed tensor',
      (list) => (list.at(-1)!.tensor.dispose(), list),
      "AdamW: the saved 'y/v' is no tensor, or was disposed",
    ],
    [
      'a disposed step',
      (list) => (list[0].tensor.dispose(), list),
      "AdamW: the saved 'iter' is no tensor, or was disposed",
    ],
    [
      'another manifest',
      (list) => [
        list[0],
        { name: 'manifest', tensor: tf.tensor1d([2, 6, 5, 0, 10], 'int32') },
        ...list.slice(2),
      ],
      'must be whole',
    ],
    [
      'a shape',
      (list) => list.map((one) => (one.name === 'y/v' ? { ...one, tensor: tf.ones([7]) } : one)),
      "the saved state of 'y' (m [3], v [7]) does not fit",
    ],
    [
      'no count',
      (list) => list.filter(({ name }) => name !== 'y/count'),
      "AdamW: the saved 'y/count' must be a whole number of at least 0, got undefined",
    ],
  ];
  test.each(bad)('%s', async (_, change, message) => {
    const { variables, optimizer } = trained();
    const before = await stateOf(optimizer);
    const weights = change(await optimizer.getWeights()) as NamedTensor[];
    const tensors = tf.memory().numTensors;
    await expect(optimizer.setWeights(weights)).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(await stateOf(optimizer)).toEqual(before);
    stepWith(optimizer, [variables[0], numbersTensor([4], 7)]);
    expect(optimizer.readState(variables[0])!.count).toBe(6);
  });
});

describe('while setWeights is pending', () => {
  const refused = 'AdamW: setWeights is still loading state; await it first';

  test('steps, preparations, resets and other loads are refused, and it takes effect whole', async () => {
    const { variables, optimizer } = trained();
    const weights = await optimizer.getWeights();
    for (let ticks = 0; ticks < 12; ticks++) {
      const next = make();
      const gradient = numbersTensor([4], 9);
      const pending = next.setWeights(weights);
      let refusals = 0;
      const settled = pending.then(() => true);
      for (let i = 0; i < ticks; i++) await Promise.resolve();
      for (const attempt of [
        () => next.applyGradients({ x: gradient as tf.Variable }),
        () => next.minimize(() => tf.sum(variables[0])),
        () => next.prepare(variables),
        () => next.reset(),
      ]) {
        try {
          attempt();
        } catch (error) {
          expect((error as Error).message).toBe(refused);
          refusals++;
        }
      }
      expect([0, 4]).toContain(refusals);
      if (refusals > 0) await expect(next.setWeights(weights)).rejects.toThrow(refused);
      expect(await settled).toBe(true);
      if (refusals > 0) expect(next.readState(variables[0])!.count).toBe(next.iterations);
      next.dispose();
    }
  });

  test('after one that was refused, steps go on', async () => {
    const { variables, optimizer } = trained();
    await expect(optimizer.setWeights([])).rejects.toThrow();
    stepWith(optimizer, [variables[0], numbersTensor([4], 7)]);
    expect(optimizer.iterations).toBe(6);
  });

  test('dispose frees all, and the promise resolves without effect', async () => {
    const { variables, optimizer } = trained();
    const weights = await optimizer.getWeights();
    const tensors = tf.memory().numTensors;
    const next = make();
    const pending = next.setWeights(weights);
    next.dispose();
    await pending;
    expect(tf.memory().numTensors).toBe(tensors);
    expect(() => next.readState(variables[0])).toThrow('disposed');
  });

  test('the loader may dispose its tensors at once', async () => {
    const { variables, optimizer } = trained();
    const expected = await stateOf(optimizer);
    const weights = await optimizer.getWeights();
    const next = make();
    const pending = next.setWeights(weights);
    tf.dispose(weights.map(({ tensor }) => tensor));
    await pending;
    expect(await stateOf(next)).toEqual(expected);
    expect(next.readState(variables[1])!.count).toBe(5);
  });
});

test('slots that a file holds as integers are loaded as the numbers that they are', async () => {
  const optimizer = make();
  await optimizer.setWeights(
    named({
      iter: tf.scalar(1),
      'x/count': tf.scalar(1),
      'x/m': tf.tensor1d([1, -2], 'int32'),
      'x/v': tf.tensor1d([3, 4], 'int32'),
    }),
  );
  const x = numbersVariable([2], 1, 'x');
  optimizer.prepare([x]);
  const { slots } = optimizer.readState(x)!;
  expect([slots.m.dtype, ...slots.m.dataSync(), ...slots.v.dataSync()]).toEqual([
    'float32',
    1,
    -2,
    3,
    4,
  ]);
});

describe('models', () => {
  const makeModel = (optimizer: FusedOptimizer) => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 3, inputShape: [3], kernelInitializer: 'ones' })],
    });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    return model;
  };
  const save = async (model: tf.LayersModel): Promise<tf.io.ModelArtifacts> => {
    let saved: tf.io.ModelArtifacts;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      }),
      { includeOptimizer: true },
    );
    return saved!;
  };

  test.each(['wasm', 'cpu'])(
    'saving leaves nothing, one save or two at a time (%s)',
    async (backend) => {
      await useBackend(backend);
      const optimizer = make();
      const model = makeModel(optimizer);
      await model.trainOnBatch(tf.ones([1, 3]), tf.ones([1, 3]));
      const before = tf.memory();
      for (let i = 0; i < 3; i++) await save(model);
      const [one, two] = await Promise.all([save(model), save(model)]);
      expect(one.weightData).toEqual(two.weightData);
      expect(tf.memory()).toMatchObject({
        numTensors: before.numTensors,
        numBytes: before.numBytes,
      });
      model.dispose();
      optimizer.dispose();
    },
  );

  test('what getWeights gives others stays theirs, whatever is saved or disposed after', async () => {
    const optimizer = make();
    const model = makeModel(optimizer);
    await model.trainOnBatch(tf.ones([1, 3]), tf.ones([1, 3]));
    optimizer.getClassName();
    const own = await optimizer.getWeights();
    const config = optimizer.getConfig();
    const more = await optimizer.getWeights();
    await save(model);
    optimizer.dispose();
    for (const { tensor } of [...own, ...more]) {
      await tensor.data();
      expect(tensor.isDisposed).toBe(false);
    }
    const again = new AdamW(config as never);
    await again.setWeights(own);
    await again.setWeights(more);
    expect(again.iterations).toBe(1);
  });

  test('a list that a file has lost the end of is refused when the model is loaded', async () => {
    registerOptimizers();
    const model = makeModel(make());
    await model.trainOnBatch(tf.ones([1, 3]), tf.ones([1, 3]));
    const { weightSpecs, ...artifacts } = await save(model);
    const cut = { ...artifacts, weightSpecs: weightSpecs!.slice(0, -1) };
    await expect(tf.loadLayersModel(tf.io.fromMemory(cut))).rejects.toThrow('must be whole');
  });
});

describe('the state of tf.train.adam', () => {
  const gradient = (t: number) => tf.add(numbersTensor([6], 50 + t), 1.5);
  const start = () => tf.variable(tf.add(numbersTensor([6], 1), 3));
  const settings = { learningRate: 0.01, weightDecay: 0, epsilon: 1e-7 };

  test.each([1, 5])('AdamW goes on after %d steps as if it had made them', async (steps) => {
    const [whole, handed] = [start(), start()];
    const reference = new AdamW(settings);
    const adam = tf.train.adam(0.01);
    for (let t = 0; t < steps; t++) {
      stepWith(reference, [whole, gradient(t)]);
      adam.applyGradients([{ name: handed.name, tensor: gradient(t) }]);
    }
    const next = new AdamW(settings);
    await next.setWeights(await adam.getWeights());
    expect(next.iterations).toBe(steps);
    for (let t = steps; t < 2 * steps; t++) {
      stepWith(reference, [whole, gradient(t)]);
      stepWith(next, [handed, gradient(t)]);
    }
    expect(next.readState(handed)!.count).toBe(2 * steps);
    const expected = whole.dataSync();
    for (const [i, value] of handed.dataSync().entries())
      expect(Math.abs(value / expected[i] - 1)).toBeLessThan(1e-5);
  });

  test.each([
    ['GIAdam', () => new GIAdam(settings)],
    ['RAdam', () => new RAdam(settings)],
  ] as const)('%s takes it, of two variables', async (_, makeOptimizer) => {
    const variables = [start(), numbersVariable([2, 2], 2)];
    const adam = tf.train.adam(0.01);
    const gradients = () =>
      variables.map(({ name, shape }, i) => ({ name, tensor: numbersTensor(shape, 60 + i) }));
    for (let t = 0; t < 3; t++) adam.applyGradients(gradients());
    const moments = await adam.getWeights();
    const optimizer = makeOptimizer();
    await optimizer.setWeights(moments);
    optimizer.prepare(variables);
    for (const [i, variable] of variables.entries()) {
      const { count, slots } = optimizer.readState(variable)!;
      expect(count).toBe(3);
      expect(bitsOf(slots.m)).toEqual(bitsOf(moments[1 + i].tensor));
      expect(bitsOf(slots.v)).toEqual(bitsOf(moments[3 + i].tensor));
    }
  });

  test('an optimizer that keeps other things refuses it', async () => {
    const variable = start();
    const adam = tf.train.adam(0.01);
    adam.applyGradients([{ name: variable.name, tensor: gradient(0) }]);
    const lion = new Lion({ learningRate: 0.01 });
    await lion.setWeights(await adam.getWeights());
    expect(() => lion.prepare([variable])).toThrow(
      /the saved state of .* \(m \[6\], v \[6\]\) does not fit/,
    );
  });
});

describe('random numbers of GIAdam', () => {
  const plan = [['a', 'b'], ['a'], ['a', 'c'], ['d', 'b'], ['a', 'b', 'c', 'd']];
  const run = async (stop: number) => {
    const variables = Object.fromEntries(
      'abcd'.split('').map((name, i) => [name, numbersVariable([4, 3], i, name)]),
    );
    const makeOptimizer = () =>
      new GIAdam({ learningRate: 0.05, initialization: 'random', seed: 3 });
    let optimizer = makeOptimizer();
    for (const [t, names] of plan.entries()) {
      if (t === stop) {
        const weights = await optimizer.getWeights();
        optimizer.dispose();
        optimizer = makeOptimizer();
        await optimizer.setWeights(weights);
      }
      stepWith(
        optimizer,
        ...names.map((name, i) => [variables[name], numbersTensor([4, 3], 10 * t + i)] as const),
      );
    }
    const ends = Object.values(variables).map(bitsOf);
    optimizer.dispose();
    tf.dispose(variables);
    return ends;
  };

  test.each([1, 2, 3, 4])(
    'are those of the run that never stopped, stopped after %d',
    async (stop) => {
      expect(await run(stop)).toEqual(await run(-1));
    },
  );
});
