/**
 * Which variables a step writes, in the forms in which scripts and models hand them over: frozen
 * ones, counters, shared layers, groups by name.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  AdamW,
  LionAR,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  SGDMomentum,
  type FusedOptimizer,
  type Group,
} from '../../src/optimizers/index.js';
import { UpdateProbe } from '../../src/probes/index.js';
import { useBackend } from '../support/backends.js';
import { bitsOf, numbersTensor, numbersVariable } from '../support/tensors.js';
import { describeWebGPU } from '../webgpu/support/vitest.js';

type Options = { readonly executor?: 'auto' | 'ops' };

const rates = { learningRate: 0.01, weightDecay: 0.1 };
/** Optimizers that centre weights before the first forward pass. */
const centring: [string, (options: Options) => FusedOptimizer][] = [
  ['RotationalAdamW', (options) => new RotationalAdamW({ ...rates, ...options })],
  ['RotationalSGDM', (options) => new RotationalSGDM({ ...rates, ...options })],
  ['RotationalLion', (options) => new RotationalLion({ ...rates, ...options })],
  ['LionAR', (options) => new LionAR({ ...rates, zeroMean: true, ...options })],
];

const sumOfSquares = (variables: readonly tf.Tensor[]): tf.Scalar =>
  tf.addN(variables.map((variable) => tf.sum(tf.square(variable)))) as tf.Scalar;

let suffix = 0;
/** A name that no other test uses. */
const fresh = (name: string): string => `${name}${suffix++}x`;

beforeEach(() => {
  tf.engine().startScope();
});
afterEach(() => {
  tf.engine().endScope();
  tf.disposeVariables();
});

describe.each([
  ['wasm', 'auto'],
  ['wasm', 'ops'],
  ['cpu', 'auto'],
] as const)('only what is trainable is written, on %s (%s)', (backend, executor) => {
  beforeEach(() => useBackend(backend));

  test.each(centring)('%s: a frozen variable in the list', (_, make) => {
    const [w, frozen] = [numbersVariable([6, 4], 1), numbersVariable([6, 4], 2)];
    frozen.trainable = false;
    const [before, whole] = [bitsOf(frozen), bitsOf(w)];
    const optimizer = make({ executor });
    optimizer.prepare([frozen, w]);
    expect(bitsOf(frozen)).toEqual(before);
    expect(bitsOf(w)).not.toEqual(whole);
    for (let step = 0; step < 3; step++)
      optimizer.minimize(() => sumOfSquares([w, frozen]), false, [w, frozen]);
    optimizer.minimize(() => sumOfSquares([w, frozen]));
    expect(bitsOf(frozen)).toEqual(before);
    expect(optimizer.describe().map(({ name }) => name)).toEqual([w.name]);
    optimizer.dispose();
  });

  test.each(centring)('%s: a variable that is frozen, and one that is thawed', (_, make) => {
    const [early, late] = [numbersVariable([6, 4], 1), numbersVariable([6, 4], 2)];
    late.trainable = false;
    const optimizer = make({ executor });
    const loss = () => sumOfSquares([early, late]);
    optimizer.minimize(loss, false, [early, late]);
    early.trainable = false;
    late.trainable = true;
    const [before, uncentred] = [bitsOf(early), tf.mean(late, 0)];
    expect(Math.max(...tf.abs(uncentred).dataSync())).toBeGreaterThan(0.01);
    optimizer.minimize(loss, false, [early, late]);
    expect(bitsOf(early)).toEqual(before);
    // It was centred before its first step.
    expect(Math.max(...tf.abs(tf.mean(late, 0)).dataSync())).toBeLessThan(1e-6);
    optimizer.dispose();
  });

  test.each(centring)('%s: a layer that is frozen after compile', async (_, make) => {
    const dense = (units: number, name: string) =>
      tf.layers.dense({ units, name: fresh(name), kernelInitializer: 'glorotNormal' });
    const layers = [dense(5, 'first'), dense(4, 'second'), tf.layers.batchNormalization()];
    const model = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: [4] }), ...layers] });
    const optimizer = make({ executor });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    layers[0].trainable = false;
    const weightsOf = (layer: tf.layers.Layer) => layer.getWeights().map(bitsOf);
    const before = layers.map(weightsOf);
    await model.fit(numbersTensor([8, 4], 1), numbersTensor([8, 4], 2), { verbose: 0, epochs: 2 });
    const after = layers.map(weightsOf);
    expect(after[0]).toEqual(before[0]);
    expect(after[1]).not.toEqual(before[1]);
    expect(optimizer.describe()).toHaveLength(4);
    optimizer.dispose();
    model.dispose();
  });

  test('counters, flags and what the loss does not read are passed over', () => {
    const w = numbersVariable([3], 1);
    const unused = numbersVariable([2], 2);
    const others = [
      tf.variable(tf.scalar(0, 'int32'), false),
      tf.variable(tf.tensor([1, 2], [2], 'int32')),
      tf.variable(tf.tensor([true, false], [2], 'bool')),
      unused,
    ];
    const before = others.map((other) => [...other.dataSync()]);
    for (const list of [[w, ...others], [...others, w], undefined]) {
      const optimizer = new AdamW({ learningRate: 0.1, executor });
      const weights = bitsOf(w);
      optimizer.minimize(() => sumOfSquares([w]), false, list);
      optimizer.minimize(() => sumOfSquares([w]), false, list);
      expect(bitsOf(w)).not.toEqual(weights);
      expect(others.map((other) => [...other.dataSync()])).toEqual(before);
      expect(optimizer.iterations).toBe(2);
      optimizer.dispose();
    }
  });

  test('null and undefined mean no gradient', () => {
    const [w, other] = [numbersVariable([3], 1), numbersVariable([2], 2)];
    const tensor = numbersTensor([3], 3);
    const gradients: unknown[] = [
      { [w.name]: tensor, [other.name]: null },
      { [w.name]: tensor, [other.name]: undefined },
      [{ name: other.name }, null, undefined, ...Array(1), { name: w.name, tensor }],
      Object.assign(Object.create(null), { [w.name]: tensor }),
    ];
    const before = bitsOf(other);
    for (const given of gradients) {
      const weights = bitsOf(w);
      const optimizer = new AdamW({ learningRate: 0.1, executor });
      optimizer.applyGradients(given as never);
      expect(bitsOf(w)).not.toEqual(weights);
      expect(bitsOf(other)).toEqual(before);
      optimizer.dispose();
    }
    const optimizer = new AdamW({ learningRate: 0.1, executor });
    for (const given of [{}, [], [null], { [w.name]: null }])
      optimizer.applyGradients(given as never);
    expect(optimizer.iterations).toBe(4);
    expect(optimizer.describe()).toEqual([]);
    optimizer.dispose();
  });

  describe('the same gradient under one name counts once', () => {
    const step = (variable: tf.Variable, list: readonly tf.Variable[]): Int32Array => {
      const optimizer = new SGDMomentum({ learningRate: 0.1, executor });
      optimizer.minimize(() => sumOfSquares([variable]), false, [...list]);
      optimizer.minimize(() => sumOfSquares([variable]), false, [...list]);
      optimizer.dispose();
      return bitsOf(variable);
    };

    test.each([2, 3])('a variable %i times in the list', (times) => {
      const [once, often] = [numbersVariable([3, 2], 4), numbersVariable([3, 2], 4)];
      const list = Array.from({ length: times }, () => often);
      expect(step(often, list)).toEqual(step(once, [once]));
    });

    test('a gradient that is named twice', () => {
      const [once, twice] = [numbersVariable([3, 2], 4), numbersVariable([3, 2], 4)];
      const tensor = numbersTensor([3, 2], 5);
      const optimizer = new SGDMomentum({ learningRate: 0.1, executor });
      optimizer.applyGradients([
        { name: twice.name, tensor },
        { name: once.name, tensor },
        { name: twice.name },
        { name: twice.name, tensor },
      ]);
      expect(bitsOf(twice)).toEqual(bitsOf(once));
      optimizer.dispose();
    });

    /** Models that reach one layer by two ways. */
    const models: [string, () => tf.LayersModel][] = [
      [
        'a layer and a model of it',
        () => {
          const shared = tf.layers.dense({ units: 4, inputShape: [4] });
          const inner = tf.sequential({ layers: [shared] });
          const input = tf.input({ shape: [4] });
          const both = [inner.apply(input), shared.apply(input)] as tf.SymbolicTensor[];
          const outputs = tf.layers.add().apply(both) as tf.SymbolicTensor;
          return tf.model({ inputs: input, outputs });
        },
      ],
      [
        'a layer, and the same for each step of time',
        () => {
          const shared = tf.layers.dense({ units: 4, inputShape: [4] });
          const input = tf.input({ shape: [4] });
          const steps = tf.layers.reshape({ targetShape: [1, 4] }).apply(input);
          const timed = tf.layers.timeDistributed({ layer: shared }).apply(steps);
          const flat = tf.layers.flatten().apply(timed);
          const both = [flat, shared.apply(input)] as tf.SymbolicTensor[];
          const outputs = tf.layers.add().apply(both) as tf.SymbolicTensor;
          return tf.model({ inputs: input, outputs });
        },
      ],
      [
        'two models of one layer',
        () => {
          const shared = tf.layers.dense({ units: 4, inputShape: [4] });
          const input = tf.input({ shape: [4] });
          const both = [1, 2].map(() => tf.sequential({ layers: [shared] }).apply(input));
          const outputs = tf.layers.add().apply(both as tf.SymbolicTensor[]) as tf.SymbolicTensor;
          return tf.model({ inputs: input, outputs });
        },
      ],
    ];
    test.each(models)('%s', async (_, make) => {
      const model = make();
      const names = new Set(model.trainableWeights.map(({ name }) => name));
      expect(names.size).toBeLessThan(model.trainableWeights.length);
      const optimizer = new AdamW({ learningRate: 0.1, executor });
      model.compile({ optimizer, loss: 'meanSquaredError' });
      await model.fit(tf.ones([8, 4]), tf.ones([8, 4]), { verbose: 0 });
      expect(optimizer.describe()).toHaveLength(names.size);
      optimizer.dispose();
    });
  });

  describe('a given rotation is scaled by the group', () => {
    const angles = async (scale: number | undefined, options: object): Promise<number[]> => {
      const w = numbersVariable([7, 3], 1, fresh('scaled'));
      const before = bitsOf(w);
      const probe = new UpdateProbe({ metrics: ['angularUpdate'] });
      const groups: Group[] =
        scale === undefined ? [] : [{ match: w.name, learningRateScale: scale }];
      const optimizer = new LionAR({ learningRate: 0.003, groups, executor, probe, ...options });
      for (let step = 0; step < 3; step++)
        optimizer.minimize(() => tf.sum(tf.square(tf.sub(w, 1))) as tf.Scalar, false, [w]);
      const readings = await probe.read();
      if (scale === 0) expect(bitsOf(w)).toEqual(before);
      optimizer.dispose();
      return readings.map(({ variables }) => variables[w.name].angularUpdate!);
    };

    test.each([2, 0.5, 0.1])('by %d', async (scale) => {
      const exact = { exactAngle: true };
      for (const rotation of [0.02, (step: number) => 0.01 * (step + 1)]) {
        const usual = await angles(undefined, { rotation, ...exact });
        const scaled = await angles(scale, { rotation, ...exact });
        scaled.forEach((angle, i) => expect(angle).toBeCloseTo(scale * usual[i], 6));
      }
    });

    test('by 0: frozen to the bit, as without a rotation', async () => {
      for (const options of [{ rotation: 0.04 }, { rotation: 0.04, zeroMean: true }, {}])
        expect(await angles(0, options)).toEqual([0, 0, 0]);
    });

    test('the learning rate does not enter', async () => {
      const [usual, none] = [
        await angles(undefined, { rotation: 0.04 }),
        await angles(undefined, { rotation: 0.04, learningRate: 0 }),
      ];
      expect(none).toEqual(usual);
    });
  });
});

describe('groups and probes find variables by name', () => {
  const variables = (...names: string[]) =>
    names.map((name) => tf.variable(tf.ones([2, 2]), true, name));

  /** The scale of each variable that one step over them gave it. */
  function scales(list: readonly tf.Variable[], groups: Group[]): number[] {
    const optimizer = new AdamW({ learningRate: 0.1, groups });
    optimizer.minimize(() => sumOfSquares(list), false, [...list]);
    const described = optimizer.describe();
    optimizer.dispose();
    return described.map(({ learningRateScale }) => learningRateScale);
  }

  /** The names that a probe reads in one step. */
  async function probed(list: readonly tf.Variable[], wanted: string[]): Promise<string[]> {
    const probe = new UpdateProbe({ metrics: ['updateNorm'], variables: wanted });
    const optimizer = new AdamW({ learningRate: 0.1, probe });
    optimizer.minimize(() => sumOfSquares(list), false, [...list]);
    const readings = await probe.read();
    optimizer.dispose();
    return readings.flatMap((reading) => Object.keys(reading.variables));
  }

  beforeEach(() => useBackend('wasm'));

  // Names, patterns, and which of the names each pattern means.
  const cases: [string[], string[], string[][]][] = [
    [['w', 'w_1', 'w_2'], ['w'], [['w']]],
    [
      ['w', 'w_1', 'w_2'],
      ['w', 'w_1'],
      [['w'], ['w_1']],
    ],
    [['w_1', 'w_2'], ['w'], [['w_1', 'w_2']]],
    [
      ['w_1', 'w_2'],
      ['w', 'w_2'],
      [['w_1'], ['w_2']],
    ],
    [
      ['w_1', 'v'],
      ['w', 'w_1'],
      [[], ['w_1']],
    ],
    [['a/kernel', 'b/kernel_1'], ['*/kernel'], [['a/kernel', 'b/kernel_1']]],
    [['a/kernel', 'a/kernel_1', 'b/bias'], ['*/kernel'], [['a/kernel']]],
    [['a/kernel', 'a/kernel_1'], ['a/*'], [['a/kernel', 'a/kernel_1']]],
    [['head.w', 'headxw'], ['head.w'], [['head.w']]],
    [
      ['two\nlines', 'w'],
      ['*\n*', 'w'],
      [['two\nlines'], ['w']],
    ],
    [
      ['(a|b)+', 'a'],
      ['(*+', 'a'],
      [['(a|b)+'], ['a']],
    ],
    [['aXbXc', 'abc'], ['a*X*c'], [['aXbXc']]],
  ];
  test.each(cases)('of %j, %j mean %j', async (names, patterns, meant) => {
    const list = variables(...names);
    const groups = patterns.map((match, i) => ({ match, learningRateScale: i + 2 }));
    expect(scales(list, groups)).toEqual(
      names.map((name) => meant.findIndex((those) => those.includes(name)) + 2).map(orOne),
    );
    expect(await probed(list, patterns)).toEqual(
      names.filter((name) => meant.flat().includes(name)),
    );
  });
  const orOne = (scale: number): number => (scale < 2 ? 1 : scale);

  /** Trains a model of two layers of these names; gives names and scales, and what a probe reads. */
  async function trainModel(): Promise<{ names: string[]; scales: number[]; read: string[][] }> {
    const dense = (name: string) => tf.layers.dense({ units: 2, inputShape: [2], name });
    const model = tf.sequential({ layers: [dense('first'), dense('second')] });
    const probe = new UpdateProbe({ variables: ['first/kernel', 'second/*'] });
    const groups = [
      { match: 'first/kernel', learningRateScale: 0.5 },
      { match: ['second/kernel', 'second/bias'], learningRateScale: 0.25 },
    ];
    const optimizer = new AdamW({ learningRate: 0.1, groups, probe });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    for (let step = 0; step < 2; step++) await model.trainOnBatch(tf.ones([2, 2]), tf.ones([2, 2]));
    const read = (await probe.read()).map((reading) => Object.keys(reading.variables));
    const described = optimizer.describe();
    optimizer.dispose();
    return {
      names: described.map(({ name }) => name),
      scales: described.map(({ learningRateScale }) => learningRateScale),
      read,
    };
  }

  test('the second and the third model of a page, whose names tfjs changes', async () => {
    const models = [await trainModel(), await trainModel(), await trainModel()];
    expect(models.map(({ names }) => names[0])).toEqual([
      'first/kernel',
      'first/kernel_1',
      'first/kernel_2',
    ]);
    for (const { names, scales: found, read } of models) {
      expect(found).toEqual([0.5, 1, 0.25, 0.25]);
      const wanted = [names[0], names[2], names[3]];
      expect(read).toEqual([wanted, wanted]);
    }
  });

  test('two groups that claim one variable are an error under any suffix', () => {
    for (const name of ['w', 'w_1', 'v_2']) {
      const list = variables(name);
      const claims = [{ match: '*' }, { match: name.slice(0, 1) }];
      expect(() => scales(list, claims)).toThrow(`both claim the variable '${name}'`);
      expect(() => scales(list, [{ match: '*' }, { match: name }])).toThrow('both claim');
    }
  });

  test('a probe of what does not exist: before anything has changed', async () => {
    const list = variables('w', 'v_1');
    const before = list.map(bitsOf);
    for (const wanted of [['kernel'], ['w', 'w_1'], ['v', 'v*x']]) {
      const probe = new UpdateProbe({ variables: wanted });
      const optimizer = new AdamW({ learningRate: 0.1, probe });
      expect(() => optimizer.minimize(() => sumOfSquares(list))).toThrow(
        `UpdateProbe: variables: '${wanted.at(-1)}' matches no variable; there are 'w', 'v_1'`,
      );
      expect(list.map(bitsOf)).toEqual(before);
      expect(optimizer.iterations).toBe(0);
      expect(optimizer.describe()).toEqual([]);
      optimizer.dispose();
    }
  });

  test('a probe reads a variable that joins later', async () => {
    const [w, late] = variables('w', 'late_1');
    const probe = new UpdateProbe({ metrics: ['updateNorm'], variables: ['late'] });
    const optimizer = new AdamW({ learningRate: 0.1, probe });
    optimizer.minimize(() => sumOfSquares([w]), false, [w]);
    optimizer.minimize(() => sumOfSquares([w, late]), false, [w, late]);
    const read = await probe.read();
    expect(read.map(({ step, variables: those }) => [step, Object.keys(those)])).toEqual([
      [1, ['late_1']],
    ]);
    optimizer.dispose();
  });

  test('patterns of many stars and long names take no time to speak of', () => {
    const list = variables('a'.repeat(5000), `${'ab_'.repeat(1500)}_1`, '_1'.repeat(2000));
    for (const match of [`${'*a'.repeat(60)}b`, `${'*ab'.repeat(200)}*x`, '*_*1*_*1*_*1*_*1*z'])
      expect(() => scales(list, [{ match }])).toThrow('matches no variable');
    expect(scales(list, [{ match: `${'*a'.repeat(60)}*` }])).toEqual([1, 1, 1]);
  });
});

describe('a rotational optimizer says of each variable why it does not rotate', () => {
  beforeEach(() => useBackend('wasm'));

  const refused = (optimizer: FusedOptimizer, ...list: tf.Variable[]) => {
    let message = '';
    try {
      optimizer.prepare(list);
    } catch (error) {
      message = (error as Error).message;
    }
    optimizer.dispose();
    return message;
  };

  test.each([
    [[2, 5], {}, 'its fan-in is 2, and must be at least 3 with zeroMean'],
    [[1, 5], {}, 'its fan-in is 1, and must be at least 3 with zeroMean'],
    [[1, 5], { zeroMean: false }, 'its fan-in is 1, and must be at least 2'],
    [[1, 2], { perNeuron: false }, 'its size is 2, and must be at least 3 with zeroMean'],
    [[5], {}, 'its rank is 1'],
    [[], {}, 'its rank is 0'],
    [[5, 5], { weightDecay: 0 }, 'its weightDecay is 0'],
    [[5, 5], { groups: [{ match: '*', rotational: false }] }, 'its group has rotational: false'],
  ])('shape %j, %j', (shape, options, reason) => {
    const w = numbersVariable(shape, 1, fresh('w'));
    const bias = numbersVariable([3], 1, fresh('bias'));
    for (const Optimizer of [RotationalAdamW, RotationalSGDM, RotationalLion]) {
      const message = refused(new Optimizer({ ...rates, ...options }), w, bias);
      expect(message).toContain(
        `${Optimizer.name}: would rotate none of '${w.name}', '${bias.name}'; it needs variables`,
      );
      expect(message).toContain(`'${w.name}': ${reason}; '${bias.name}': `);
    }
  });

  test('what does not learn need not rotate', () => {
    const [frozen, still] = [numbersVariable([2, 5], 1), numbersVariable([5, 5], 2)];
    frozen.trainable = false;
    const groups = [{ match: still.name, learningRateScale: 0 }];
    const optimizer = new RotationalAdamW({ ...rates, groups });
    const before = [frozen, still].map(bitsOf);
    optimizer.prepare([frozen]);
    optimizer.minimize(() => sumOfSquares([frozen, still]), false, [frozen, still]);
    expect([frozen, still].map(bitsOf)).toEqual(before);
    optimizer.dispose();
  });
});

describeWebGPU('only what is trainable is written, on webgpu', () => {
  test.each(centring)('%s', async (_, make) => {
    const w = numbersVariable([6, 4], 1);
    const frozen = numbersVariable([6, 4], 2);
    const steps = tf.variable(tf.scalar(3, 'int32'));
    frozen.trainable = false;
    const before = [await frozen.data(), await w.data()].map((data) => [...data]);
    const optimizer = make({});
    const loss = () => sumOfSquares([w, frozen]);
    for (let step = 0; step < 2; step++) optimizer.minimize(loss, false, [w, frozen, w, steps]);
    expect([...(await frozen.data())]).toEqual(before[0]);
    expect([...(await w.data())]).not.toEqual(before[1]);
    expect([...(await steps.data())]).toEqual([3]);
    expect(() => optimizer.prepare([tf.ones([2])] as never)).toThrow('got a tensor of shape [2]');
    expect(() => optimizer.applyGradients([[tf.ones([2]), w]] as never)).toThrow(
      'gradients must be { name: tensor } or [{ name, tensor }], got [a tensor of shape [2],',
    );
    optimizer.dispose();
  });
});
