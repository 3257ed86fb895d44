/** What a training loop sees of an optimizer. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  AdamW,
  GIAdam,
  Lion,
  RuleOptimizer,
  SGDMomentum,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { add, defineRule, mul, neuronSum, sub } from '../../src/rules/index.js';
import { constant, linearWarmup } from '../../src/schedules/index.js';
import { useBackend } from '../support/backends.js';
import { numbers } from '../support/numbers.js';
import { makersOfAnyRank as optimizers } from '../support/optimizers.js';
import { bitsOf, numbersTensor, numbersVariable, stateOf, stepWith } from '../support/tensors.js';

/** Not idempotent: applied twice it shows. */
const prepared = defineRule({
  name: 'prepared',
  slots: { m: 'element' },
  prepare: ({ w }) => ({ w: add(mul(w, 0.5), 1) }),
  update: ({ w, g, m }, s) => ({ w: sub(w, mul(s.learningRate, g)), m: add(m, g) }),
});
const onceOf = (values: ArrayLike<number>) =>
  Float32Array.from(values, (value) => Math.fround(Math.fround(value * 0.5) + 1));

describe.each([
  ['wasm', 'auto'],
  ['wasm', 'ops'],
  ['cpu', 'auto'],
  ['cpu', 'ops'],
] as const)('%s (%s)', (backend, executor) => {
  const made: FusedOptimizer[] = [];
  const keep = <T extends FusedOptimizer>(optimizer: T): T => {
    made.push(optimizer);
    return optimizer;
  };
  beforeEach(async () => {
    await useBackend(backend);
    tf.engine().startScope();
  });
  afterEach(() => {
    made.splice(0).forEach((optimizer) => optimizer.dispose());
    tf.disposeVariables();
    tf.engine().endScope();
  });

  test('two optimizers on two models do not see each other', () => {
    const data = numbersTensor([16, 4], 1);
    const train = (order: number[]) => {
      const models = [numbersVariable([4, 1], 2), numbersVariable([4, 1], 3)];
      const of = [
        keep(new AdamW({ learningRate: 0.1, clipNorm: 1, executor })),
        keep(new Lion({ learningRate: 0.01, executor })),
      ];
      for (const i of order)
        of[i].minimize(
          () => tf.mean(tf.square(tf.sub(tf.matMul(data, models[i]), 1))) as tf.Scalar,
          false,
          [models[i]],
        );
      const result = models.map(bitsOf);
      tf.dispose(models);
      return result;
    };
    expect(train([0, 1, 0, 1, 1, 0, 0, 1])).toEqual(train([0, 0, 0, 0, 1, 1, 1, 1]));
  });

  test.each(Object.keys(optimizers))(
    '%s: a variable that misses steps goes on as if they had not been',
    async (name) => {
      const make = () => keep(optimizers[name]({ learningRate: 0.1, weightDecay: 0.1, executor }));
      const [partial, steady, other] = [
        numbersVariable([6, 2], 1),
        numbersVariable([6, 2], 1),
        numbersVariable([3], 2),
      ];
      const [one, two] = [make(), make()];
      const missing: (null | undefined)[] = [null, undefined];
      for (let i = 0, seen = 0; i < 9; i++) {
        const g = i % 3 === 2 ? numbersTensor([6, 2], 100 + seen) : missing[i % 2];
        const h = numbersTensor([3], 200 + i);
        one.applyGradients([
          { name: other.name, tensor: h },
          { name: partial.name, tensor: g },
          null,
          undefined,
        ]);
        if (g) two.applyGradients({ [steady.name]: numbersTensor([6, 2], 100 + seen++) });
      }
      // The bias correction goes by the variable's own count, not by the optimizer's steps.
      expect(bitsOf(partial)).toEqual(bitsOf(steady));
      const state = await stateOf(one);
      expect(state).toMatchObject({
        iter: [9],
        [`${partial.name}/count`]: [3],
        [`${other.name}/count`]: [9],
      });
    },
  );

  test('the first update of AdamW is one learning rate long, whenever it comes', () => {
    const [early, late] = [numbersVariable([50], 1), numbersVariable([50], 1)];
    const before = early.dataSync().slice();
    const optimizer = keep(new AdamW({ learningRate: 0.1, weightDecay: 0, executor }));
    for (let i = 0; i < 20; i++) stepWith(optimizer, [early, numbersTensor([50], 10 + i)]);
    stepWith(optimizer, [late, numbersTensor([50], 2)]);
    for (const [i, value] of late.dataSync().entries())
      expect(Math.abs(value - before[i])).toBeCloseTo(0.1, 4);
  });

  test('entries without gradients: nothing happens but the count of steps', async () => {
    for (const clipNorm of [undefined, 1]) {
      const v = numbersVariable([4], 1);
      const before = bitsOf(v);
      const optimizer = keep(new AdamW({ learningRate: 0.1, clipNorm, executor }));
      optimizer.applyGradients([]);
      optimizer.applyGradients({});
      optimizer.applyGradients([
        { name: v.name, tensor: null },
        null,
        undefined,
        { name: v.name },
        { name: 'long gone' },
      ]);
      expect(optimizer.iterations).toBe(3);
      expect(bitsOf(v)).toEqual(before);
      expect(await stateOf(optimizer)).toEqual({ iter: [3] });
      stepWith(optimizer, [v, numbersTensor([4], 2)]);
      expect(await stateOf(optimizer)).toMatchObject({ iter: [4], [`${v.name}/count`]: [1] });
    }
  });

  test('learning rates: a number, a schedule, a function', () => {
    const train = (learningRate: number | ((step: number) => number)) => {
      const v = numbersVariable([5], 1);
      const optimizer = keep(new SGDMomentum({ learningRate, momentum: 0, executor }));
      const rates: number[] = [];
      for (let i = 0; i < 4; i++) {
        rates.push(optimizer.currentLearningRate);
        stepWith(optimizer, [v, tf.ones([5])]);
      }
      return { rates, moved: numbers(5, 1)[0] - v.dataSync()[0] };
    };
    const schedule = linearWarmup({ peak: 0.4, warmupSteps: 4 });
    expect(train(0.25)).toEqual({ rates: [0.25, 0.25, 0.25, 0.25], moved: 1 });
    expect(train(constant(0.25))).toEqual(train(0.25));
    expect(train(schedule).rates).toEqual([0, 1, 2, 3].map(schedule));
    expect(train(schedule).moved).toBeCloseTo(1, 5);
    expect(train((step) => step / 8)).toEqual({ rates: [0, 0.125, 0.25, 0.375], moved: 0.75 });
    // At rate 0 weights stay, to the bit.
    expect(train(0)).toEqual({ rates: [0, 0, 0, 0], moved: 0 });
  });

  test('a rate function is asked once a step, with the step', () => {
    const asked: number[] = [];
    const learningRate = (step: number) => {
      asked.push(step);
      return 0.1;
    };
    const [a, b] = [numbersVariable([5], 1), numbersVariable([5], 2)];
    const optimizer = keep(new AdamW({ learningRate, executor }));
    for (let i = 0; i < 3; i++) stepWith(optimizer, [a, tf.ones([5])], [b, tf.ones([5])]);
    expect(asked).toEqual([0, 1, 2]);
  });

  test('describe tells what each variable got', () => {
    const matrix = numbersVariable([4, 3], 1, 'dense/kernel');
    const bias = numbersVariable([3], 2, 'dense/bias');
    const table = numbersVariable([4, 3], 3, 'embedding/table');
    const optimizer = keep(
      new AdamW({
        learningRate: 0.1,
        weightDecay: 0.2,
        executor,
        groups: [{ match: '*/bias', weightDecay: 0.3, learningRateScale: 2 }],
      }),
    );
    expect(optimizer.describe()).toEqual([]);
    stepWith(optimizer, [matrix, tf.ones([4, 3])], [bias, tf.ones([3])], [table, tf.ones([4, 3])]);
    expect(optimizer.describe()).toMatchObject([
      {
        name: 'dense/kernel',
        shape: [4, 3],
        group: undefined,
        weightDecay: 0.2,
        learningRateScale: 1,
        neuronAxis: 1,
        rule: 'adamW',
      },
      {
        name: 'dense/bias',
        shape: [3],
        group: '*/bias',
        weightDecay: 0.3,
        learningRateScale: 2,
        neuronAxis: 0,
        rule: 'adamW',
      },
      {
        name: 'embedding/table',
        shape: [4, 3],
        group: undefined,
        weightDecay: 0.2,
        learningRateScale: 1,
        neuronAxis: 0,
        rule: 'adamW',
      },
    ]);
  });

  test('weight decay leaves vectors alone unless a group names them, and goes with the learning rate', () => {
    const [matrix, vector, named] = [
      numbersVariable([2, 2], 1),
      numbersVariable([4], 1),
      numbersVariable([4], 1),
    ];
    const optimizer = keep(
      new AdamW({
        learningRate: 0.5,
        weightDecay: 0.5,
        executor,
        groups: [{ match: named.name, weightDecay: 0.25, learningRateScale: 0.5 }],
      }),
    );
    // Without a gradient's direction only the decay is left.
    stepWith(
      optimizer,
      [matrix, tf.zeros([2, 2])],
      [vector, tf.zeros([4])],
      [named, tf.zeros([4])],
    );
    const start = numbers(4, 1);
    expect(matrix.dataSync()).toEqual(start.map((value) => value * 0.75));
    expect(vector.dataSync()).toEqual(start);
    expect(named.dataSync()).toEqual(start.map((value) => value * (1 - 0.0625)));
  });

  test('clipNorm counts the gradients that are there, and none of earlier steps', () => {
    const [a, b] = [numbersVariable([2], 1), numbersVariable([2], 2)];
    const start = [a, b].map((v) => v.dataSync().slice());
    const optimizer = keep(
      new SGDMomentum({ learningRate: 1, momentum: 0, clipNorm: 1, executor }),
    );
    const moved = (i: number, v: tf.Variable) =>
      [...v.dataSync()].map((value, j) => start[i][j] - value);
    const g = (x: number, y: number) => tf.tensor1d([x, y]);
    optimizer.applyGradients([
      { name: a.name, tensor: g(30, 40) },
      { name: b.name, tensor: null },
    ]);
    expect(moved(0, a)[0]).toBeCloseTo(0.6, 6);
    expect(moved(0, a)[1]).toBeCloseTo(0.8, 6);
    // 3 and 4 in two variables make a norm of 5.
    optimizer.applyGradients([
      { name: a.name, tensor: g(3, 0) },
      { name: b.name, tensor: g(0, 4) },
    ]);
    expect(moved(0, a)[0]).toBeCloseTo(1.2, 6);
    expect(moved(1, b)[1]).toBeCloseTo(0.8, 6);
    // A small gradient stays as it is, to the bit; a zero one is no division by zero.
    const before = bitsOf(b);
    optimizer.applyGradients([{ name: b.name, tensor: g(0, 0) }]);
    expect(bitsOf(b)).toEqual(before);
    const held = b.dataSync().slice();
    optimizer.applyGradients([{ name: b.name, tensor: g(0.25, 0.5) }]);
    expect(b.dataSync()).toEqual(held.map((value, i) => value - [0.25, 0.5][i]));
  });

  test('a gradient that is not finite shows in the weights of this step and does not vanish in a clip', () => {
    const v = numbersVariable([3], 1);
    const optimizer = keep(new SGDMomentum({ learningRate: 1, clipNorm: 1, executor }));
    stepWith(optimizer, [v, tf.tensor1d([NaN, 1, 1])]);
    expect([...v.dataSync()].some(Number.isNaN)).toBe(true);
  });

  test.each(Object.keys(optimizers))('%s: sizes 0, 1, odd and scalars', async (name) => {
    const shapes = [
      [0],
      [3, 0],
      [],
      [1],
      [1, 1],
      [2],
      [3],
      [5],
      [7, 1],
      [3, 3, 3],
      [17],
      [1, 19],
      [2, 1, 1, 3, 1],
      [4097],
    ];
    for (const clipNorm of [undefined, 0.5]) {
      const optimizer = keep(optimizers[name]({ learningRate: 0.1, clipNorm, executor }));
      const together = shapes.map((shape, i) => numbersVariable(shape, i));
      for (let step = 0; step < 3; step++)
        stepWith(
          optimizer,
          ...together.map(
            (v, i) => [v, numbersTensor(shapes[i], 50 + i + step)] as [tf.Variable, tf.Tensor],
          ),
        );
      const state = await stateOf(optimizer);
      for (const [i, v] of together.entries()) {
        expect(v.shape).toEqual(shapes[i]);
        expect(state[`${v.name}/count`]).toEqual([3]);
        expect(state[`${v.name}/m`].length).toBe(v.size);
        expect([...v.dataSync()].every(Number.isFinite)).toBe(true);
        if (v.size > 0) expect(bitsOf(v)).not.toEqual(new Int32Array(numbers(v.size, i).buffer));
      }
      // Loaded and saved again, also the empty ones.
      const weights = await optimizer.getWeights();
      await optimizer.setWeights(weights);
      expect(await stateOf(optimizer)).toEqual(state);
      stepWith(
        optimizer,
        ...together.map(
          (v, i) => [v, numbersTensor(shapes[i], 60 + i)] as [tf.Variable, tf.Tensor],
        ),
      );
      expect((await stateOf(optimizer))[`${together[0].name}/count`]).toEqual([4]);
    }
  });

  test('many variables of one size are told apart', () => {
    const variables = Array.from({ length: 30 }, (_, i) => numbersVariable([11], i));
    const optimizer = keep(new GIAdam({ learningRate: 0.1, executor }));
    for (let step = 0; step < 3; step++)
      stepWith(
        optimizer,
        ...variables.map(
          (v, i) => [v, numbersTensor([11], 100 * step + i)] as [tf.Variable, tf.Tensor],
        ),
      );
    const seventh = numbersVariable([11], 7);
    const alone = keep(new GIAdam({ learningRate: 0.1, executor }));
    for (let step = 0; step < 3; step++)
      stepWith(alone, [seventh, numbersTensor([11], 100 * step + 7)]);
    expect(bitsOf(variables[7])).toEqual(bitsOf(seventh));
  });

  describe('prepare', () => {
    const make = (learningRate = 0) =>
      keep(new RuleOptimizer({ rule: prepared, learningRate, executor }));

    test.each([true, false])(
      'the first forward pass of minimize sees the prepared weight, once (with a list: %s)',
      (listed) => {
        const [used, unused] = [numbersVariable([5], 1), numbersVariable([5], 2)];
        const optimizer = make();
        const seen: Float32Array[] = [];
        const loss = () => {
          seen.push(used.dataSync().slice() as Float32Array);
          return tf.sum(used) as tf.Scalar;
        };
        const once = onceOf(numbers(5, 1));
        const value = optimizer.minimize(loss, true, listed ? [used] : undefined)!;
        expect(seen.at(-1)).toEqual(once);
        expect(value.dataSync()[0]).toBeCloseTo(
          once.reduce((sum, x) => sum + x, 0),
          5,
        );
        // Without a list the loss runs once before, to tell which variables it reads.
        expect(seen.length).toBe(listed ? 1 : 2);
        for (let i = 0; i < 3; i++) optimizer.minimize(loss, false, listed ? [used] : undefined);
        expect(seen.length).toBe(listed ? 4 : 5);
        expect(used.dataSync()).toEqual(once);
        expect(unused.dataSync()).toEqual(numbers(5, 2));
      },
    );

    test('a variable that joins later is prepared when it does', () => {
      const [a, b] = [numbersVariable([5], 1), numbersVariable([5], 2)];
      const optimizer = make();
      optimizer.minimize(() => tf.sum(a) as tf.Scalar);
      expect(b.dataSync()).toEqual(numbers(5, 2));
      const value = optimizer.minimize(() => tf.sum(tf.add(a, b)) as tf.Scalar, true)!;
      expect(a.dataSync()).toEqual(onceOf(numbers(5, 1)));
      expect(b.dataSync()).toEqual(onceOf(numbers(5, 2)));
      expect(value.dataSync()[0]).toBeCloseTo(
        [...a.dataSync(), ...b.dataSync()].reduce((sum, x) => sum + x, 0),
        4,
      );
    });

    test('by hand: once, however often it is called', () => {
      const v = numbersVariable([5], 1);
      const optimizer = make();
      optimizer.prepare([v, v]);
      optimizer.prepare([v]);
      optimizer.minimize(() => tf.sum(v) as tf.Scalar, false, [v]);
      stepWith(optimizer, [v, tf.ones([5])]);
      expect(v.dataSync()).toEqual(onceOf(numbers(5, 1)));
    });

    test('leaks nothing when the loss runs twice', () => {
      const v = numbersVariable([5], 1);
      const optimizer = make();
      const before = tf.memory().numTensors;
      const ones = tf.ones([5]);
      optimizer.minimize(() => tf.sum(tf.mul(v, ones)) as tf.Scalar);
      ones.dispose();
      expect(tf.memory().numTensors - before).toBe(executor === 'ops' ? 1 : 0);
    });

    test('a variable that was prepared but not stepped before it was saved is not prepared again', async () => {
      const [a, b] = [numbersVariable([5], 1), numbersVariable([5], 2)];
      const optimizer = make(0.1);
      optimizer.prepare([a, b]);
      stepWith(optimizer, [a, tf.ones([5])]);
      const saved = await optimizer.getWeights();
      const next = make(0.1);
      await next.setWeights(saved);
      next.prepare([a, b]);
      stepWith(next, [a, tf.ones([5])], [b, tf.zeros([5])]);
      expect(b.dataSync()).toEqual(onceOf(numbers(5, 2)));
      expect(await stateOf(next)).toMatchObject({
        iter: [2],
        [`${a.name}/count`]: [2],
        [`${b.name}/count`]: [1],
      });
    });
  });

  describe('which saved state a variable gets', () => {
    const make = () => keep(new SGDMomentum({ learningRate: 0, momentum: 0.5, executor }));
    /** Gives each variable a momentum that is told apart by its value. */
    async function savedOf(variables: tf.Variable[]) {
      const optimizer = make();
      variables.forEach((v, i) => stepWith(optimizer, [v, tf.fill(v.shape, i + 1)]));
      return await optimizer.getWeights();
    }
    const momenta = async (optimizer: FusedOptimizer, variables: tf.Variable[]) => {
      const state = await stateOf(optimizer);
      return variables.map(({ name }) => state[`${name}/m`]?.[0]);
    };
    const zeroStep = (optimizer: FusedOptimizer, ...variables: tf.Variable[]) =>
      stepWith(
        optimizer,
        ...variables.map((v) => [v, tf.zeros(v.shape)] as [tf.Variable, tf.Tensor]),
      );

    test('names before order', async () => {
      const [a, b] = [numbersVariable([3], 1), numbersVariable([3], 2)];
      const optimizer = make();
      await optimizer.setWeights(await savedOf([a, b]));
      zeroStep(optimizer, b, a);
      expect(await momenta(optimizer, [a, b])).toEqual([0.5, 1]);
    });

    test('a variable that is new beside known ones does not take the state of one that waits', async () => {
      const [a, b, c] = [numbersVariable([3], 1), numbersVariable([3], 2), numbersVariable([3], 3)];
      const optimizer = make();
      await optimizer.setWeights(await savedOf([a, b]));
      zeroStep(optimizer, b, c);
      expect(await momenta(optimizer, [b, c])).toEqual([1, 0]);
      zeroStep(optimizer, numbersVariable([3], 4), a);
      expect(await momenta(optimizer, [a])).toEqual([0.5]);
    });

    test('and is no misfit if its shape is another', async () => {
      const [a, b, c] = [numbersVariable([3], 1), numbersVariable([3], 2), numbersVariable([4], 3)];
      const optimizer = make();
      await optimizer.setWeights(await savedOf([a, b]));
      zeroStep(optimizer, b);
      zeroStep(optimizer, c);
      zeroStep(optimizer, a);
      expect(await momenta(optimizer, [a, b, c])).toEqual([0.5, 1, 0]);
    });

    test('names with what tfjs appends, where plain names end in numbers too', async () => {
      const old = ['cell/w_1', 'cell/w_2', 'cell/bias'].map((name, i) =>
        numbersVariable([3], i, name),
      );
      const saved = await savedOf(old);
      const loaded = ['cell/bias_1', 'cell/w_2_1', 'cell/w_1_1'].map((name, i) =>
        numbersVariable([3], i, name),
      );
      const optimizer = make();
      await optimizer.setWeights(saved);
      zeroStep(optimizer, ...loaded);
      expect(await momenta(optimizer, loaded)).toEqual([1.5, 1, 0.5]);
    });

    test('by order where no name tells', async () => {
      const saved = await savedOf([
        numbersVariable([3], 1, 'first'),
        numbersVariable([2], 2, 'second'),
      ]);
      const [x, y] = [numbersVariable([3], 1, 'x'), numbersVariable([2], 2, 'y')];
      const optimizer = make();
      await optimizer.setWeights(saved);
      zeroStep(optimizer, x, y);
      expect(await momenta(optimizer, [x, y])).toEqual([0.5, 1]);
    });

    test('by order all at once: a part of them is refused, and prepare helps', async () => {
      const saved = await savedOf([
        numbersVariable([3], 1, 'first'),
        numbersVariable([3], 2, 'second'),
      ]);
      const [x, y] = [numbersVariable([3], 1, 'x'), numbersVariable([3], 2, 'y')];
      const optimizer = make();
      await optimizer.setWeights(saved);
      expect(() => zeroStep(optimizer, y)).toThrow(
        "SGDMomentum: the saved state of 'first', 'second' fits 'y' neither by name nor by order; prepare(variables) names all variables at once",
      );
      optimizer.prepare([x, y]);
      zeroStep(optimizer, y);
      expect(await momenta(optimizer, [x, y])).toEqual([1, 1]);
    });

    test('state that no variable has asked for yet is saved again', async () => {
      const [a, b] = [numbersVariable([3], 1), numbersVariable([3], 2)];
      const optimizer = make();
      await optimizer.setWeights(await savedOf([a, b]));
      zeroStep(optimizer, a);
      const next = make();
      await next.setWeights(await optimizer.getWeights());
      zeroStep(next, a, b);
      expect(await momenta(next, [a, b])).toEqual([0.25, 1]);
    });
  });
});

test('neuron slots of a rule have the shape of the neurons, and are saved so', async () => {
  await useBackend('cpu');
  const rule = defineRule({
    name: 'neuronwise',
    slots: { sums: 'neuron', all: 'tensor' },
    update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)), sums: neuronSum(g), all: 7 }),
  });
  const v = numbersVariable([4, 3], 1);
  const optimizer = new RuleOptimizer({
    rule,
    learningRate: 0.1,
    groups: [{ match: v.name, neuronAxis: 0 }],
  });
  stepWith(optimizer, [
    v,
    tf.tensor2d([
      [1, 1, 1],
      [2, 2, 2],
      [3, 3, 3],
      [4, 4, 4],
    ]),
  ]);
  const weights = await optimizer.getWeights();
  expect(weights.map(({ name, tensor }) => [name, tensor.shape, [...tensor.dataSync()]])).toEqual([
    ['iter', [], [1]],
    // Version, weights that follow, step as a pair, sum of the counts.
    ['manifest', [5], [1, 3, 1, 0, 1]],
    [`${v.name}/count`, [], [1]],
    [`${v.name}/sums`, [4], [3, 6, 9, 12]],
    [`${v.name}/all`, [], [7]],
  ]);
  tf.dispose(weights.map(({ tensor }) => tensor));
  optimizer.dispose();
  v.dispose();
});
