/**
 * Which saved state a variable gets where names are counted, shifted, new or few: the right one, or
 * an error.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AdamW, SGDMomentum, type FusedOptimizer } from '../../src/optimizers/index.js';
import { useBackend } from '../support/backends.js';

beforeAll(() => useBackend('wasm'));
beforeEach(() => tf.engine().startScope());
afterEach(() => {
  tf.disposeVariables();
  tf.engine().endScope();
});

const make = () => new SGDMomentum({ learningRate: 0, momentum: 0.5 });
const variable = (name: string, shape = [2]) => tf.variable(tf.zeros(shape), true, name);

/** Steps whose gradients are all `value`; the momentum tells them apart. */
const step = (optimizer: FusedOptimizer, variables: readonly tf.Variable[], values: number[]) =>
  optimizer.applyGradients(
    variables.map(({ name, shape }, i) => ({ name, tensor: tf.fill(shape, values[i]) })),
  );

/** State of variables of these names and shapes, whose momenta are 1, 2, 3 ...; they are gone then. */
async function savedOf(names: readonly string[], shapes: number[][] = []) {
  const optimizer = make();
  const variables = names.map((name, i) => variable(name, shapes[i]));
  const values = names.map((_, i) => i + 1);
  step(optimizer, variables, values);
  const weights = await optimizer.getWeights();
  tf.dispose(variables);
  return weights;
}

/** The momenta after a step without a gradient, as multiples of those that were saved. */
async function momentaOf(
  weights: Awaited<ReturnType<typeof savedOf>>,
  variables: readonly tf.Variable[],
): Promise<number[]> {
  const optimizer = make();
  await optimizer.setWeights(weights);
  const zeros = variables.map(() => 0);
  step(optimizer, variables, zeros);
  return variables.map((one) => 2 * optimizer.readState(one)!.slots.m.dataSync()[0]);
}

describe('counted names tell an order', () => {
  test.each([
    [
      'layers of a prefix',
      ['dense_1/kernel', 'dense_2/kernel'],
      ['dense_4/kernel', 'dense_5/kernel'],
    ],
    ['that overlap', ['d_1/k', 'd_2/k', 'd_3/k'], ['d_2/k', 'd_3/k', 'd_4/k']],
    ['past 9', ['d_8/k', 'd_9/k', 'd_10/k'], ['d_9/k', 'd_10/k', 'd_11/k']],
    [
      'what tfjs-layers counts',
      ['dense_Dense9/kernel', 'dense_Dense10/kernel'],
      ['dense_Dense10/kernel', 'dense_Dense11/kernel'],
    ],
    [
      'classes with digits',
      ['conv2d_Conv2D1/k', 'conv2d_Conv2D2/k'],
      ['conv2d_Conv2D2/k', 'conv2d_Conv2D3/k'],
    ],
    ['without a name', ['0', '1', '2'], ['11', '12', '13']],
    ['of which the first has no number', ['k_1', 'k_2'], ['k', 'k_1']],
    ['numbers twice', ['a_1/b_1', 'a_1/b_2', 'a_2/b_1'], ['a_2/b_1', 'a_2/b_2', 'a_3/b_1']],
    ['what was loaded beside the first', ['w_1', 'w_2'], ['w_1_1', 'w_2_1']],
  ])('%s', async (_, before, after) => {
    const saved = await savedOf(before);
    const variables = after.map((name) => variable(name));
    expect(await momentaOf(saved, variables)).toEqual(before.map((_, i) => i + 1));
  });

  test('also where the variables are given in another order, and a layer of another model has a name of them', async () => {
    const saved = await savedOf(['d_1/k', 'd_2/k', 'd_3/k']);
    variable('d_1/k');
    const variables = ['d_4/k', 'd_2/k', 'd_3/k'].map((name) => variable(name));
    expect(await momentaOf(saved, variables)).toEqual([3, 1, 2]);
  });

  test('families do not mix', async () => {
    const saved = await savedOf(['conv_1/k', 'dense_1/k', 'dense_2/k']);
    const variables = ['dense_2/k', 'dense_3/k', 'conv_2/k'].map((name) => variable(name));
    expect(await momentaOf(saved, variables)).toEqual([2, 3, 1]);
  });

  test('names that are all the same are names, in whatever order', async () => {
    const saved = await savedOf(['d_1/k', 'd_2/k', '7']);
    const variables = ['7', 'd_2/k', 'd_1/k'].map((name) => variable(name));
    expect(await momentaOf(saved, variables)).toEqual([3, 2, 1]);
  });

  test('a number that belongs to a name without _ is part of it', async () => {
    const saved = await savedOf(['block1/k', 'block2/k']);
    const variables = ['block2/k', 'block1/k'].map((name) => variable(name));
    expect(await momentaOf(saved, variables)).toEqual([2, 1]);
  });

  test('shapes that do not agree in order are refused', async () => {
    const saved = await savedOf(['d_1/k', 'd_2/k'], [[2], [3]]);
    const variables = [variable('d_2/k', [3]), variable('d_3/k', [2])];
    await expect(momentaOf(saved, variables)).rejects.toThrow(
      "the saved state of 'd_1/k', 'd_2/k' fits 'd_2/k', 'd_3/k' neither by name nor by order",
    );
  });
});

describe('never a fresh start beside state that has no variable', () => {
  const noMatch = (saved: string, variables: string) =>
    `SGDMomentum: the saved state of ${saved} fits ${variables} neither by name nor by order; ` +
    'prepare(variables) names all variables at once';

  test.each([
    ['one of two has another name', ['a', 'b'], ['a', 'c'], noMatch("'b'", "'c'")],
    [
      'fewer than were saved',
      ['d_1/k', 'd_2/k'],
      ['d_3/k'],
      noMatch("'d_1/k', 'd_2/k'", "'d_3/k'"),
    ],
    ['more than were saved', ['0', '1'], ['2', '3', '4'], noMatch("'0', '1'", "'2', '3', '4'")],
    [
      'some of them, and others do not exist: the numbers may be shifted',
      ['d_1/k', 'd_2/k', 'd_3/k'],
      ['d_2/k', 'd_3/k'],
      noMatch("'d_1/k'", "'d_2/k', 'd_3/k'"),
    ],
  ])('%s', async (_, before, after, message) => {
    const saved = await savedOf(before);
    const optimizer = make();
    await optimizer.setWeights(saved);
    const variables = after.map((name) => variable(name));
    expect(() => step(optimizer, variables, [0, 0, 0])).toThrow(message);
    // Nothing is lost: with the names as they were, all is found.
    expect(optimizer.describe()).toEqual([]);
    tf.dispose(variables);
    const again = before.map((name) => variable(name));
    step(
      optimizer,
      again,
      again.map(() => 0),
    );
    expect(again.map((one) => 2 * optimizer.readState(one)!.slots.m.dataSync()[0])).toEqual(
      before.map((_, i) => i + 1),
    );
  });

  test('one that joins later', async () => {
    const optimizer = make();
    await optimizer.setWeights(await savedOf(['a', 'b']));
    step(optimizer, [variable('a')], [0]);
    expect(() => step(optimizer, [variable('c')], [0])).toThrow(noMatch("'b'", "'c'"));
    step(optimizer, [variable('d', [3])], [0]);
    expect(optimizer.describe().map(({ name }) => name)).toEqual(['a', 'd']);
  });

  test('some of them, where the others exist: they wait', async () => {
    const saved = await savedOf(['d_1/k', 'd_2/k', 'd_3/k']);
    const all = ['d_1/k', 'd_2/k', 'd_3/k'].map((name) => variable(name));
    const optimizer = make();
    await optimizer.setWeights(saved);
    const momentum = (one: tf.Variable) => optimizer.readState(one)!.slots.m.dataSync()[0];
    step(optimizer, [all[1]], [0]);
    step(optimizer, [all[0], variable('new')], [0, 0]);
    expect([momentum(all[0]), momentum(all[1]), momentum(all[2])]).toEqual([0.5, 1, 3]);
    step(optimizer, [all[2]], [0]);
    expect(momentum(all[2])).toBe(1.5);
  });

  test('new variables beside all that were saved are no mistake', async () => {
    const saved = await savedOf(['d_1/k', 'd_2/k', 'e/k']);
    const variables = ['e/k', 'd_1/k', 'd_2/k', 'd_3/k', 'f/k'].map((name) => variable(name));
    expect(await momentaOf(saved, variables)).toEqual([3, 1, 2, 0, 0]);
  });
});

test('a step that fails for want of memory keeps what was found', async () => {
  const saved = await savedOf(['old1', 'old2', 'old3']);
  const variables = ['p', 'q', 'r'].map((name) => variable(name));
  const optimizer = make();
  await optimizer.setWeights(saved);
  const { wasm } = tf.backend() as unknown as { wasm: { _malloc(bytes: number): number } };
  const { _malloc } = wasm;
  const zeros = variables.map(({ name }) => ({ name, tensor: tf.zeros([2]) }));
  // The first variable's slot, then the second's.
  for (const failing of [2, 2]) {
    let calls = 0;
    wasm._malloc = (bytes) => (++calls === failing ? 0 : _malloc(bytes));
    expect(() => optimizer.applyGradients(zeros)).toThrow('no room');
    wasm._malloc = _malloc;
  }
  optimizer.applyGradients(zeros);
  const states = variables.map((one) => optimizer.readState(one)!);
  expect(states.map(({ count }) => count)).toEqual([2, 2, 2]);
  expect(states.map(({ slots }) => slots.m.dataSync()[0])).toEqual([0.5, 1, 1.5]);
  optimizer.dispose();
});

test.each([
  ['the same names', (i: number) => `layer_${i}/kernel`],
  ['shifted', (i: number) => `layer_${i + 1}/kernel`],
  ['other names', (i: number) => `block_${i}/weights`],
])('ten thousand variables find theirs: %s', async (_, nameOf) => {
  const count = 10_000;
  const gradient = tf.ones([1]);
  const stepAll = (optimizer: FusedOptimizer, names: string[]) =>
    optimizer.applyGradients(names.map((name) => ({ name, tensor: gradient })));
  const names = Array.from({ length: count }, (_, i) => `layer_${i}/kernel`);
  const before = names.map((name) => variable(name, [1]));
  const optimizer = new AdamW({ learningRate: 0 });
  stepAll(optimizer, names);
  const weights = await optimizer.getWeights();
  tf.dispose(before);
  const after = names.map((_, i) => variable(nameOf(i), [1]));
  const next = new AdamW({ learningRate: 0 });
  await next.setWeights(weights);
  stepAll(
    next,
    after.map(({ name }) => name),
  );
  expect(next.describe().length).toBe(count);
  expect(next.readState(after[count - 1])!.count).toBe(2);
  next.dispose();
  optimizer.dispose();
});
