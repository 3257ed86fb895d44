/**
 * Bad input: an error that names the option, the value and what is allowed, before anything has
 * changed.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  AdamW,
  Lion,
  registerOptimizers,
  RuleOptimizer,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { adamW, defineRule, mul, neuronSum, sub } from '../../src/rules/index.js';
import { useBackend } from '../support/backends.js';
import { testedClasses } from '../support/optimizers.js';
import { bitsOf, numbersTensor, numbersVariable, stateOf } from '../support/tensors.js';

/** All but RuleOptimizer, whose messages name its rule too. */
const classes: Record<string, new (options: never) => FusedOptimizer> = Object.fromEntries(
  testedClasses.flatMap((Optimizer) =>
    Optimizer === RuleOptimizer ? [] : [[Optimizer.name, Optimizer]],
  ),
);
const make = (name: string, options: unknown) => new classes[name](options as never);

describe('options', () => {
  const everywhere: [string, unknown, string][] = [
    [
      'learningRate',
      undefined,
      'must lie in [0, Infinity), or be a schedule or a function of the step, got undefined',
    ],
    [
      'learningRate',
      null,
      'must lie in [0, Infinity), or be a schedule or a function of the step, got null',
    ],
    [
      'learningRate',
      '0.1',
      "must lie in [0, Infinity), or be a schedule or a function of the step, got '0.1'",
    ],
    [
      'learningRate',
      -0.1,
      'must lie in [0, Infinity), or be a schedule or a function of the step, got -0.1',
    ],
    [
      'learningRate',
      NaN,
      'must lie in [0, Infinity), or be a schedule or a function of the step, got NaN',
    ],
    [
      'learningRate',
      Infinity,
      'must lie in [0, Infinity), or be a schedule or a function of the step, got Infinity',
    ],
    ['weightDecay', -1, 'must lie in [0, Infinity), got -1'],
    ['weightDecay', NaN, 'must lie in [0, Infinity), got NaN'],
    ['weightDecay', '1', "must lie in [0, Infinity), got '1'"],
    ['weightDecay', null, 'must lie in [0, Infinity), got null'],
    ['clipNorm', 0, 'must lie in (0, Infinity), got 0'],
    ['clipNorm', -1, 'must lie in (0, Infinity), got -1'],
    ['clipNorm', NaN, 'must lie in (0, Infinity), got NaN'],
    ['clipNorm', Infinity, 'must lie in (0, Infinity), got Infinity'],
    ['clipNorm', true, 'must lie in (0, Infinity), got true'],
    ['executor', 'wasm', "must be one of 'auto', 'ops', got 'wasm'"],
    ['executor', null, "must be one of 'auto', 'ops', got null"],
    ['groups', {}, 'must be an array of groups, got [object Object]'],
    ['groups', null, 'must be an array of groups, got null'],
  ];
  test.each(
    Object.keys(classes).flatMap((name) => everywhere.map((one) => [name, ...one] as const)),
  )('%s: %s = %s', (name, option, value, message) => {
    expect(() => make(name, { learningRate: 0.1, [option]: value })).toThrow(
      `${name}: ${option} ${message}`,
    );
  });

  const own: [string, string, unknown, string][] = [
    ...['AdamW', 'GIAdam', 'Lion'].flatMap((name) =>
      ['beta1', 'beta2'].flatMap((beta) =>
        [-0.1, 1, 1.2, NaN].map(
          (value) =>
            [name, beta, value, `must lie in [0, 1), got ${value}`] as [
              string,
              string,
              unknown,
              string,
            ],
        ),
      ),
    ),
    ...['AdamW', 'GIAdam'].flatMap((name) =>
      [-1e-8, NaN, Infinity].map(
        (value) =>
          [name, 'epsilon', value, `must lie in [0, Infinity), got ${value}`] as [
            string,
            string,
            unknown,
            string,
          ],
      ),
    ),
    ['AdamW', 'beta1', '0.9', "must lie in [0, 1), got '0.9'"],
    ['AdamW', 'beta2', null, 'must lie in [0, 1), got null'],
    ['SGDMomentum', 'momentum', 1, 'must lie in [0, 1), got 1'],
    ['SGDMomentum', 'momentum', -0.5, 'must lie in [0, 1), got -0.5'],
    ['SGDMomentum', 'nesterov', 1, 'must be true or false, got 1'],
    ['SGDMomentum', 'nesterov', 'yes', "must be true or false, got 'yes'"],
  ];
  test.each(own)('%s: %s = %s', (name, option, value, message) => {
    expect(() => make(name, { learningRate: 0.1, [option]: value })).toThrow(
      `${name}: ${option} ${message}`,
    );
  });

  test.each(Object.keys(classes))('%s: unknown names and options that are no object', (name) => {
    expect(() => make(name, { learningRate: 0.1, weight_decay: 0.1 })).toThrow(
      new RegExp(`^${name}: unknown option 'weight_decay', allowed are .*weightDecay`),
    );
    expect(() => make(name, 0.1)).toThrow(`${name}: options must be an object`);
    expect(() => make(name, null)).toThrow(`${name}: options must be an object`);
    expect(() => make(name, undefined)).toThrow(`${name}: options must be an object`);
  });

  test('options of a relative are unknown', () => {
    expect(() => make('Lion', { learningRate: 0.1, epsilon: 1e-8 })).toThrow(
      "Lion: unknown option 'epsilon'",
    );
    expect(() => make('SGDMomentum', { learningRate: 0.1, beta1: 0.9 })).toThrow(
      "SGDMomentum: unknown option 'beta1'",
    );
  });

  test('an option given as undefined is its default', () => {
    expect(
      new AdamW({
        learningRate: 0.1,
        beta1: undefined,
        clipNorm: undefined,
        groups: undefined,
        executor: undefined,
        weightDecay: undefined,
      }).getConfig(),
    ).toEqual(new AdamW({ learningRate: 0.1 }).getConfig());
  });

  const badGroups: [unknown, string][] = [
    [[{}], 'groups[0]: match must be a pattern or a list of variable names, got undefined'],
    [[{ match: '' }], "groups[0]: match must be a pattern or a list of variable names, got ''"],
    [[{ match: [] }], 'groups[0]: match must be a pattern or a list of variable names, got []'],
    [[{ match: 3 }], 'groups[0]: match must be a pattern or a list of variable names, got 3'],
    [
      [{ match: ['a', 3] }],
      "groups[0]: match must be a pattern or a list of variable names, got ['a',3]",
    ],
    [
      [{ match: 'a' }, { match: 'b', learningRateScale: -1 }],
      'groups[1]: learningRateScale must lie in [0, Infinity), got -1',
    ],
    [
      [{ match: 'a', weightDecay: NaN }],
      'groups[0]: weightDecay must lie in [0, Infinity), got NaN',
    ],
    [
      [{ match: 'a', neuronAxis: 0.5 }],
      'groups[0]: neuronAxis must be an axis or a list of axes, got 0.5',
    ],
    [
      [{ match: 'a', neuronAxis: [0, '1'] }],
      "groups[0]: neuronAxis must be an axis or a list of axes, got [0,'1']",
    ],
    [[{ match: 'a', rotational: 1 }], 'groups[0]: rotational must be true or false, got 1'],
    [[{ match: 'a', lr: 1 }], "groups[0]: unknown option 'lr', allowed are"],
    [[null], 'groups[0]: options must be an object'],
    [[undefined], 'groups[0]: options must be an object'],
    [[{ match: 'a' }, ...Array(1)], 'groups[1]: options must be an object'],
    [Array(2), 'groups[0]: options must be an object'],
    [['a'], 'groups[0]: options must be an object'],
  ];
  test.each(badGroups)('groups = %j', (groups, message) => {
    expect(() => make('AdamW', { learningRate: 0.1, groups })).toThrow(`AdamW: ${message}`);
  });

  test.each<[unknown, string]>([
    [undefined, 'the config must be an object, got undefined'],
    [null, 'the config must be an object, got null'],
    ['{}', "the config must be an object, got '{}'"],
    [{}, 'learningRate must lie in [0, Infinity)'],
    [{ learningRate: 0.1, groups: null }, 'groups must be an array of groups, got null'],
    [{ learningRate: 0.1, groups: 'a' }, "groups must be an array of groups, got 'a'"],
    [
      { learningRate: 0.1, groups: [{ match: 'a' }] },
      'groups[0]: match must be a list of { name }',
    ],
    [{ learningRate: 0.1, groups: [{ match: ['a'] }] }, 'groups[0]: match must be a'],
    [{ learningRate: 0.1, groups: [{ match: [null] }] }, 'groups[0]: match must be a'],
    [{ learningRate: 0.1, groups: [null] }, 'groups[0]: match must be a list of { name }'],
    [{ learningRate: 0.1, groups: ['a'] }, 'groups[0]: match must be a list of { name }'],
    [{ learningRate: 0.1, groups: [{}] }, 'groups[0]: match must be a list of { name }'],
  ])('fromConfig(%j)', (config, message) => {
    for (const Class of [AdamW, Lion])
      expect(() => Class.fromConfig(Class as never, config as never)).toThrow(
        `${Class.name}: ${message}`,
      );
  });

  test('registerOptimizers', () => {
    const of = (options: unknown) => () => registerOptimizers(options as never);
    const rules =
      'registerOptimizers: rules must be a list of rules, each of which defineRule gave';
    expect(of(null)).toThrow('registerOptimizers: options must be an object with rules');
    expect(of([adamW()])).toThrow("registerOptimizers: unknown option '0', allowed are rules");
    expect(of({ rule: adamW() })).toThrow("registerOptimizers: unknown option 'rule'");
    expect(of({ rules: adamW() })).toThrow(rules);
    expect(of({ rules: [adamW(), null] })).toThrow(rules);
    expect(of({ rules: [undefined] })).toThrow(rules);
    expect(of({ rules: 'adamW' })).toThrow(`${rules}, got 'adamW'`);
    expect(of({ rules: [{ name: 'r' }] })).toThrow(rules);
  });

  test('RuleOptimizer', () => {
    const of = (options: unknown) => () => new RuleOptimizer(options as never);
    expect(of(undefined)).toThrow('RuleOptimizer: options must be an object');
    expect(of({ learningRate: 0.1 })).toThrow(
      'RuleOptimizer: rule must be what defineRule gave, got undefined',
    );
    expect(of({ learningRate: 0.1, rule: {} })).toThrow(
      'RuleOptimizer: rule must be what defineRule gave',
    );
    expect(of({ learningRate: 0.1, rule: 'adamW' })).toThrow(
      "RuleOptimizer: rule must be what defineRule gave, got 'adamW'",
    );
    const rule = defineRule({
      name: 'plain',
      update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)) }),
    });
    expect(of({ rule })).toThrow('RuleOptimizer plain: learningRate must lie');
    expect(of({ rule, learningRate: 0.1, decay: 1 })).toThrow(
      "RuleOptimizer plain: unknown option 'decay'",
    );
    expect(of({ rule, learningRate: 0.1, hyperparameters: { beta: NaN } })).toThrow(
      'RuleOptimizer plain: hyperparameters.beta must lie in (-Infinity, Infinity), got NaN',
    );
    expect(of({ rule, learningRate: 0.1, hyperparameters: null })).toThrow(
      'RuleOptimizer plain: hyperparameters must be',
    );
    const load = (config: unknown) => () =>
      RuleOptimizer.fromConfig(RuleOptimizer as never, config as never);
    registerOptimizers({ rules: [rule] });
    for (const hyperparameters of [null, 5, 'beta'])
      expect(load({ rule: 'plain', learningRate: 0.1, hyperparameters })).toThrow(
        'RuleOptimizer plain: hyperparameters must be an object of numbers, got',
      );
    expect(load(undefined)).toThrow('RuleOptimizer: the config must be an object');
    for (const name of [undefined, 5, 'nobody', 'constructor'])
      expect(load({ rule: name })).toThrow('RuleOptimizer: the saved rule ');
    // These would quietly take the place of what every rule gets.
    for (const name of [
      'learningRate',
      'weightDecay',
      'count',
      'step',
      'size',
      'neurons',
      'fanIn',
      'clipNorm',
    ]) {
      expect(of({ rule, learningRate: 0.1, hyperparameters: { [name]: 1 } }), name).toThrow(
        /RuleOptimizer plain: hyperparameters must .*got '/,
      );
    }
  });

  test('defineRule', () => {
    const update = () => ({});
    expect(() => defineRule({ name: 'my rule', update })).toThrow(
      "defineRule: name must be letters and digits, got 'my rule'",
    );
    expect(() => defineRule({ name: 'r', slots: { w: 'element' }, update })).toThrow(
      'rule r: slots must be named with letters and digits',
    );
    expect(() => defineRule({ name: 'r', slots: { m: 'row' as never }, update })).toThrow(
      "rule r: slots.m must be 'element', 'neuron' or 'tensor', got 'row'",
    );
    for (const [part, value, message] of [
      ['slots', null, 'be an object, got null'],
      ['slots', ['m'], "be an object, got ['m']"],
      ['roles', null, 'be an object, got null'],
      ['roles', 'm', "be an object, got 'm'"],
      ['hyperparameters', null, 'be an object, got null'],
      ['hyperparameters', 5, 'be an object, got 5'],
      ['random', 5, 'be a list of slots, got 5'],
      ['random', null, 'be a list of slots, got null'],
      ['random', 'm', "be a list of slots, got 'm'"],
      ['random', ['m'], "name slots, got 'm'"],
      ['host', 5, 'be a function, got 5'],
      ['prepare', {}, 'be a function, got [object Object]'],
      ['initial', null, 'be a function, got null'],
    ])
      expect(() => defineRule({ name: 'r', update, [part as 'host']: value as never })).toThrow(
        `rule r: ${part} must ${message}`,
      );
    expect(() => defineRule({ name: 'r', update: undefined as never })).toThrow(
      'rule r: update must be a function, got undefined',
    );
  });
});

describe.each([
  ['wasm', 'auto'],
  ['wasm', 'ops'],
  ['cpu', 'auto'],
] as const)('a step on %s (%s)', (backend, executor) => {
  let a: tf.Variable;
  let b: tf.Variable;
  let keptGradient: tf.Tensor;
  let goodForB: tf.Tensor;
  beforeEach(async () => {
    await useBackend(backend);
    tf.engine().startScope();
    a = numbersVariable([4, 3], 1);
    b = numbersVariable([5], 2);
    keptGradient = gradient(a);
    goodForB = gradient(b);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    tf.dispose([a, b]);
    tf.engine().endScope();
  });

  const gradient = (variable: tf.Variable) => numbersTensor(variable.shape, 9);
  const both = () => [
    { name: a.name, tensor: gradient(a) },
    { name: b.name, tensor: gradient(b) },
  ];

  /**
   * Runs what must throw and checks that nothing changed: weights, state, counts, the step, what is
   * described.
   */
  async function refuses(
    optimizer: FusedOptimizer,
    attempt: () => unknown,
    message: string | RegExp,
  ): Promise<void> {
    const snapshot = async () => ({
      weights: [a, b].filter((v) => !v.isDisposed).map(bitsOf),
      state: await stateOf(optimizer),
      iterations: optimizer.iterations,
      described: optimizer.describe(),
    });
    const before = await snapshot();
    const { numTensors } = tf.memory();
    await expect((async () => attempt())()).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(await snapshot()).toEqual(before);
  }

  const fresh = () => new AdamW({ learningRate: 0.1, executor, clipNorm: 10 });
  /** One that has state for both variables already. */
  function stepped(): AdamW {
    const optimizer = fresh();
    optimizer.applyGradients(both());
    return optimizer;
  }

  describe.each([
    ['at the first step', fresh],
    ['later', stepped],
  ])('%s', (_, given) => {
    test('a gradient of another shape, on the second variable', async () => {
      const bad = numbersTensor([4], 1);
      const optimizer = given();
      await refuses(
        optimizer,
        () =>
          optimizer.applyGradients([
            { name: a.name, tensor: keptGradient },
            { name: b.name, tensor: bad },
          ]),
        `AdamW: the gradient of '${b.name}' must be float32 of shape [5], got float32 of shape [4]`,
      );
      optimizer.dispose();
    });

    test('a gradient of the same size but another shape', async () => {
      const bad = numbersTensor([3, 4], 1);
      const optimizer = given();
      await refuses(
        optimizer,
        () =>
          optimizer.applyGradients([
            { name: b.name, tensor: goodForB },
            { name: a.name, tensor: bad },
          ]),
        `AdamW: the gradient of '${a.name}' must be float32 of shape [4,3], got float32 of shape [3,4]`,
      );
      optimizer.dispose();
    });

    test('a gradient that is not float32', async () => {
      const bad = tf.ones([5], 'int32');
      const optimizer = given();
      await refuses(
        optimizer,
        () => optimizer.applyGradients({ [a.name]: keptGradient, [b.name]: bad }),
        `AdamW: the gradient of '${b.name}' must be float32 of shape [5], got int32 of shape [5]`,
      );
      optimizer.dispose();
    });

    test('a gradient that was disposed', async () => {
      const bad = gradient(b);
      bad.dispose();
      const optimizer = given();
      await refuses(
        optimizer,
        () => optimizer.applyGradients({ [a.name]: keptGradient, [b.name]: bad }),
        `AdamW: the gradient of '${b.name}' must be float32 of shape [5], got a disposed tensor`,
      );
      optimizer.dispose();
    });

    test('a variable that does not exist', async () => {
      const optimizer = given();
      await refuses(
        optimizer,
        () => optimizer.applyGradients({ [a.name]: keptGradient, nobody: goodForB }),
        "AdamW: there is no variable named 'nobody'; it may have been disposed",
      );
      optimizer.dispose();
    });

    test('a variable that is not float32', async () => {
      const whole = tf.variable(tf.ones([5], 'int32'), true);
      const optimizer = given();
      await refuses(
        optimizer,
        () => optimizer.applyGradients({ [a.name]: keptGradient, [whole.name]: goodForB }),
        `AdamW: variable '${whole.name}' must be float32 of shape [5], got int32 of shape [5]`,
      );
      await refuses(
        optimizer,
        () => optimizer.prepare([a, whole]),
        `AdamW: variable '${whole.name}' must be float32 of shape [5], got int32 of shape [5]`,
      );
      optimizer.dispose();
      whole.dispose();
    });

    test.each([NaN, -0.1, Infinity, undefined, '0.1'])(
      'a rate function that gives %s',
      async (value) => {
        const broken = { now: false };
        const optimizer = new AdamW({
          learningRate: () => (broken.now ? (value as number) : 0.1),
          executor,
        });
        if (given === stepped) optimizer.applyGradients(both());
        broken.now = true;
        const shown = typeof value === 'string' ? `'${value}'` : String(value);
        const step = optimizer.iterations;
        await refuses(
          optimizer,
          () => optimizer.applyGradients({ [a.name]: keptGradient, [b.name]: goodForB }),
          `AdamW: learningRate at step ${step} must lie in [0, Infinity), got ${shown}`,
        );
        expect(() => optimizer.currentLearningRate).toThrow(`learningRate at step ${step}`);
        // Once the function is whole again, training goes on.
        broken.now = false;
        optimizer.applyGradients({ [a.name]: keptGradient });
        expect(optimizer.iterations).toBe(step + 1);
        optimizer.dispose();
      },
    );

    test('learningRate * weightDecay of 1 and more', async () => {
      const rate = { now: 0.1 };
      const optimizer = new AdamW({ learningRate: () => rate.now, weightDecay: 0.5, executor });
      if (given === stepped) optimizer.applyGradients(both());
      rate.now = 2;
      // `a` decays, `b` (of rank 1) does not: the first of the two is fine.
      await refuses(
        optimizer,
        () =>
          optimizer.applyGradients([
            { name: b.name, tensor: goodForB },
            { name: a.name, tensor: keptGradient },
          ]),
        `AdamW: variable '${a.name}': learningRate * weightDecay must be below 1, or the decay turns the sign of the weights, got 1`,
      );
      optimizer.dispose();
    });

    test('half precision with an epsilon that would be 0', async () => {
      vi.spyOn(tf.backend() as tf.KernelBackend, 'floatPrecision').mockReturnValue(16);
      const optimizer = new AdamW({ learningRate: 0.1, epsilon: 1e-8, executor });
      await refuses(
        optimizer,
        () => optimizer.applyGradients({ [a.name]: keptGradient }),
        'AdamW: epsilon must be at least 0.0001 on a backend of half precision, where it would be 0, got 1e-8',
      );
      const large = new AdamW({ learningRate: 0.1, epsilon: 1e-4, executor });
      large.applyGradients({ [a.name]: keptGradient });
      const lion = new Lion({ learningRate: 0.1, executor });
      lion.applyGradients({ [a.name]: keptGradient });
      [optimizer, large, lion].forEach((one) => one.dispose());
    });
  });

  test('a shape that changed between steps', async () => {
    const optimizer = stepped();
    const { name } = b;
    b.dispose();
    b = numbersVariable([6], 3, name);
    const grown = numbersTensor([6], 4);
    await refuses(
      optimizer,
      () => optimizer.applyGradients({ [a.name]: keptGradient, [name]: grown }),
      `AdamW: variable '${name}' must be float32 of shape [5], got float32 of shape [6]`,
    );
    await refuses(
      optimizer,
      () => optimizer.prepare([a, b]),
      `AdamW: variable '${name}' must be float32 of shape [5], got float32 of shape [6]`,
    );
    optimizer.dispose();
  });

  test('a variable that was disposed after its first step', async () => {
    const optimizer = stepped();
    b.dispose();
    await refuses(
      optimizer,
      () => optimizer.applyGradients({ [a.name]: keptGradient, [b.name]: goodForB }),
      `AdamW: there is no variable named '${b.name}'; it may have been disposed`,
    );
    // Without a gradient its name does not matter.
    optimizer.applyGradients([{ name: a.name, tensor: keptGradient }, { name: b.name }]);
    optimizer.dispose();
  });

  test('two gradients for one variable in a step', async () => {
    const optimizer = stepped();
    const other = gradient(a);
    await refuses(
      optimizer,
      () =>
        optimizer.applyGradients([
          { name: a.name, tensor: keptGradient },
          { name: b.name, tensor: goodForB },
          { name: a.name, tensor: other },
        ]),
      `AdamW: variable '${a.name}' has two gradients in one step`,
    );
    optimizer.dispose();
  });

  test('a gradient for a frozen variable', async () => {
    const optimizer = stepped();
    b.trainable = false;
    await refuses(
      optimizer,
      () => optimizer.applyGradients({ [a.name]: keptGradient, [b.name]: goodForB }),
      `AdamW: variable '${b.name}' is frozen, but got a gradient`,
    );
    optimizer.dispose();
  });

  describe('gradients in another form', () => {
    const forms: [string, (name: string, tensor: tf.Tensor) => unknown, string][] = [
      ['nothing', () => undefined, 'undefined'],
      ['null', () => null, 'null'],
      ['a number', () => 3, '3'],
      ['a name', (name) => name, "'"],
      ['a boolean', () => false, 'false'],
      ['a function', () => () => ({}), 'a function'],
      ['a tensor', (_, tensor) => tensor, 'a tensor of shape [4,3]'],
      ['a Map', (name, tensor) => new Map([[name, tensor]]), 'an object of Map'],
      ['a Set', (_, tensor) => new Set([tensor]), 'an object of Set'],
      ['a promise', () => Promise.resolve({}), 'an object of Promise'],
      ['pairs', (name, tensor) => [[tensor, { name }]], '[a tensor of shape [4,3],an object of'],
      ['pairs by name', (name, tensor) => [[name, tensor]], "['"],
      ['bare tensors', (_, tensor) => [tensor], 'a tensor of shape [4,3]'],
      ['bare names', (name) => [name], "'"],
      ['a function in the list', () => [() => 1], 'a function'],
      ['0 in the list', () => [0], '0'],
      ['another key', (name, gradient) => [{ name, gradient }], 'an object of Object'],
      ['one key more', (name, tensor) => [{ name, tensor, scale: 2 }], 'an object of Object'],
      ['no name', (_, tensor) => [{ tensor }], 'an object of Object'],
      ['a number for a name', (_, tensor) => [{ name: 3, tensor }], 'an object of Object'],
      ['a number for a tensor', (name) => ({ [name]: 5 }), '5 for '],
      ['0 for a tensor', (name) => ({ [name]: 0 }), '0 for '],
      ['false for a tensor', (name) => [{ name, tensor: false }], 'false for '],
      ['numbers for a tensor', (name) => ({ [name]: [1, 2] }), '[1,2] for '],
      ['what computeGradients gives', (name, tensor) => ({ grads: { [name]: tensor } }), 'an obj'],
    ];
    test.each(forms)('%s', async (_, form, found) => {
      const optimizer = stepped();
      const given = form(a.name, keptGradient);
      await refuses(
        optimizer,
        () => optimizer.applyGradients(given as never),
        `AdamW: gradients must be { name: tensor } or [{ name, tensor }], got ${found}`,
      );
      optimizer.dispose();
    });

    test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
      'a name that objects have: %s',
      async (name) => {
        const optimizer = stepped();
        await refuses(
          optimizer,
          () => optimizer.applyGradients([{ name, tensor: keptGradient }]),
          `AdamW: there is no variable named '${name}'; it may have been disposed`,
        );
        optimizer.applyGradients([{ name, tensor: null }]);
        optimizer.dispose();
      },
    );
  });

  describe('what is no list of variables', () => {
    const given: [string, () => unknown, string][] = [
      ['nothing', () => undefined, 'undefined'],
      ['a variable', () => a, 'a tensor of shape [4,3]'],
      ['a tensor', () => [a, keptGradient], 'a tensor of shape [4,3]'],
      ['undefined', () => [a, undefined], 'undefined'],
      ['a hole', () => Array(2), 'undefined'],
      ['a name', () => [a.name], "'"],
      ['an object', () => ({ a }), 'an object of Object'],
      [
        'weights of a model',
        () => [{ name: 'w', shape: [4, 3], dtype: 'float32', read: () => a }],
        'an object of Object',
      ],
    ];
    const allowed =
      'must be a list of tf.Variable; ' +
      'of a model: model.trainableWeights.map((weight) => weight.read()), got ';
    test.each(given)('prepare: %s', async (_, make, found) => {
      const optimizer = stepped();
      const list = make() as never;
      await refuses(
        optimizer,
        () => optimizer.prepare(list),
        `AdamW: variables ${allowed}${found}`,
      );
      optimizer.dispose();
    });

    test.each(given.slice(1))('minimize: %s', async (_, make, found) => {
      const optimizer = stepped();
      const list = make() as never;
      const loss = () => tf.sum(tf.square(a)) as tf.Scalar;
      await refuses(
        optimizer,
        () => optimizer.minimize(loss, false, list),
        `AdamW: varList ${allowed}${found}`,
      );
      optimizer.dispose();
    });

    test('readState', async () => {
      const optimizer = stepped();
      for (const variable of [undefined, a.name, keptGradient])
        await refuses(
          optimizer,
          () => optimizer.readState(variable as never),
          `AdamW: variables ${allowed}`,
        );
      optimizer.dispose();
    });
  });

  test.each<[string, () => unknown, string]>([
    ['no function', () => 5, '5'],
    ['a number', () => () => 5, '5'],
    ['nothing', () => () => undefined, 'undefined'],
    ['a vector', () => () => b.clone(), 'a tensor of shape [5]'],
    ['a promise', () => async () => 1, 'an object of Promise'],
  ])('a loss that is %s', async (_, make, found) => {
    const message = `AdamW: the loss must be a function that gives a scalar, got ${found}`;
    const optimizer = stepped();
    const loss = make();
    await refuses(optimizer, () => optimizer.minimize(loss as never), message);
    await refuses(optimizer, () => optimizer.minimize(loss as never, true, [a, b]), message);
    await refuses(optimizer, () => optimizer.computeGradients(loss as never), message);
    optimizer.dispose();
  });

  test('after dispose', async () => {
    const optimizer = stepped();
    optimizer.dispose();
    const message = 'AdamW: this optimizer was disposed; make a new one';
    const weights = bitsOf(a);
    expect(() => optimizer.applyGradients({ [a.name]: keptGradient })).toThrow(message);
    expect(() => optimizer.minimize(() => tf.sum(tf.square(a)) as tf.Scalar)).toThrow(message);
    expect(() => optimizer.prepare([a])).toThrow(message);
    await expect(optimizer.getWeights()).rejects.toThrow(message);
    await expect(optimizer.setWeights([])).rejects.toThrow(message);
    expect(bitsOf(a)).toEqual(weights);
    expect(optimizer.iterations).toBe(1);
  });

  test('groups: a pattern that matches no variable', async () => {
    const optimizer = new AdamW({
      learningRate: 0.1,
      executor,
      groups: [{ match: [a.name, 'nobody/*'], weightDecay: 0.1 }],
    });
    await refuses(
      optimizer,
      () => optimizer.applyGradients({ [a.name]: keptGradient }),
      "AdamW: the group 'nobody/*' matches no variable; there are ",
    );
    // It stays an error.
    await refuses(
      optimizer,
      () => optimizer.applyGradients({ [a.name]: keptGradient }),
      "AdamW: the group 'nobody/*' matches no variable",
    );
    optimizer.dispose();
  });

  test('groups: two that claim one variable', async () => {
    const optimizer = new AdamW({
      learningRate: 0.1,
      executor,
      groups: [
        { match: b.name, weightDecay: 0.1 },
        { match: `*${b.name.slice(-2)}`, weightDecay: 0.2 },
      ],
    });
    await refuses(
      optimizer,
      () =>
        optimizer.applyGradients([
          { name: a.name, tensor: keptGradient },
          { name: b.name, tensor: goodForB },
        ]),
      new RegExp(
        `AdamW: .*both claim the variable '${b.name}'; a variable may belong to one group`,
      ),
    );
    optimizer.dispose();
  });

  test.each([2, -3, [0, 0], [0, 1, 2], []])(
    'groups: neuron axis %j of a matrix',
    async (neuronAxis) => {
      const rule = defineRule({
        name: 'rowwise',
        slots: { sums: 'neuron' },
        update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)), sums: neuronSum(g) }),
      });
      const optimizer = new RuleOptimizer({
        rule,
        learningRate: 0.1,
        executor: 'ops',
        groups: [{ match: a.name, neuronAxis }],
      });
      await refuses(
        optimizer,
        () =>
          optimizer.applyGradients([
            { name: b.name, tensor: goodForB },
            { name: a.name, tensor: keptGradient },
          ]),
        new RegExp(
          `RuleOptimizer rowwise: variable '${a.name}': neuronAxis must name one axis or two different ones of the shape \\[4,3\\], got`,
        ),
      );
      optimizer.dispose();
    },
  );

  test('a rule that asks for a number nobody gives', async () => {
    const rule = defineRule({
      name: 'asking',
      slots: { m: 'element' },
      host: ({ learningRate }) => ({ learningRate }),
      // @ts-expect-error the host gives no beta
      update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)), m: mul(s.beta, g) }),
    });
    const optimizer = new RuleOptimizer({ rule, learningRate: 0.1, executor });
    const before = [bitsOf(a), bitsOf(b)];
    expect(() => optimizer.applyGradients({ [a.name]: keptGradient, [b.name]: goodForB })).toThrow(
      "the host gives no number called 'beta'",
    );
    expect([bitsOf(a), bitsOf(b)]).toEqual(before);
    expect(optimizer.iterations).toBe(0);
    optimizer.dispose();
  });

  describe('setWeights', () => {
    const saved = (weights: Record<string, tf.Tensor>) =>
      Object.entries(weights).map(([name, tensor]) => ({ name, tensor }));
    const iter = () => tf.scalar(7, 'int32');
    const count = () => tf.scalar(7, 'int32');

    test('what does not begin with iter, and names without a slot', async () => {
      const optimizer = stepped();
      await refuses(
        optimizer,
        () => optimizer.setWeights([]),
        "AdamW: saved weights must be named 'iter', then <variable>/<slot>, got []",
      );
      const noIter = saved({ [`${a.name}/m`]: keptGradient });
      await refuses(
        optimizer,
        () => optimizer.setWeights(noIter),
        `AdamW: saved weights must be named 'iter', then <variable>/<slot>, got ['${a.name}/m']`,
      );
      const noSlot = saved({ iter: iter(), m: keptGradient });
      await refuses(
        optimizer,
        () => optimizer.setWeights(noSlot),
        "AdamW: saved weights must be named 'iter', then <variable>/<slot>, got ['iter','m']",
      );
      optimizer.dispose();
    });

    test('a shape that does not fit a variable it knows, the second of two', async () => {
      const optimizer = stepped();
      const misfit = saved({
        iter: iter(),
        [`${a.name}/count`]: count(),
        [`${a.name}/m`]: keptGradient,
        [`${a.name}/v`]: keptGradient,
        [`${b.name}/count`]: count(),
        [`${b.name}/m`]: numbersTensor([4], 1),
        [`${b.name}/v`]: numbersTensor([4], 1),
      });
      await refuses(
        optimizer,
        () => optimizer.setWeights(misfit),
        new RegExp(
          `AdamW: the saved state of '${b.name}' .*m \\[4\\].* does not fit the variable '${b.name}', which needs m \\[5\\], v \\[5\\]`,
        ),
      );
      optimizer.dispose();
    });

    test('state of another optimizer', async () => {
      const optimizer = stepped();
      const lions = saved({
        iter: iter(),
        [`${a.name}/count`]: count(),
        [`${a.name}/m`]: keptGradient,
      });
      await refuses(
        optimizer,
        () => optimizer.setWeights(lions),
        new RegExp(`AdamW: the saved state of '${a.name}' .* does not fit`),
      );
      const renamed = saved({
        iter: iter(),
        [`${a.name}/count`]: count(),
        [`${a.name}/m`]: keptGradient,
        [`${a.name}/velocity`]: keptGradient,
      });
      await refuses(
        optimizer,
        () => optimizer.setWeights(renamed),
        new RegExp(`AdamW: the saved state of '${a.name}' .*velocity.* does not fit`),
      );
      optimizer.dispose();
    });

    test('a shape that does not fit a variable that comes later: the step is refused', async () => {
      const optimizer = fresh();
      const misfit = saved({
        iter: iter(),
        [`${a.name}/count`]: count(),
        [`${a.name}/m`]: keptGradient,
        [`${a.name}/v`]: keptGradient,
        [`${b.name}/count`]: count(),
        [`${b.name}/m`]: goodForB,
        [`${b.name}/v`]: numbersTensor([4], 1),
      });
      await optimizer.setWeights(misfit);
      await refuses(
        optimizer,
        () =>
          optimizer.applyGradients([
            { name: a.name, tensor: keptGradient },
            { name: b.name, tensor: goodForB },
          ]),
        new RegExp(`the saved state of '${b.name}' .* does not fit the variable '${b.name}'`),
      );
      optimizer.dispose();
    });

    test('names that no variable has, and shapes that do not fit in order either', async () => {
      const optimizer = fresh();
      const misfit = saved({
        iter: iter(),
        'gone/count': count(),
        'gone/m': numbersTensor([4], 1),
        'gone/v': numbersTensor([4], 1),
      });
      await optimizer.setWeights(misfit);
      await refuses(
        optimizer,
        () => optimizer.applyGradients({ [a.name]: keptGradient }),
        "AdamW: the saved state of 'gone'",
      );
      optimizer.dispose();
    });

    test('a count that is no count', async () => {
      const optimizer = fresh();
      for (const bad of [tf.scalar(-1, 'int32'), tf.scalar(NaN), tf.scalar(1.5)]) {
        const misfit = saved({
          iter: iter(),
          [`${a.name}/count`]: bad,
          [`${a.name}/m`]: keptGradient,
          [`${a.name}/v`]: keptGradient,
        });
        await refuses(
          optimizer,
          () => optimizer.setWeights(misfit),
          `AdamW: the saved '${a.name}/count' must be a whole number of at least 0, got`,
        );
      }
      const misfit = saved({ iter: tf.scalar(-3, 'int32') });
      await refuses(
        optimizer,
        () => optimizer.setWeights(misfit),
        "AdamW: the saved 'iter' must be a whole number of at least 0, got -3",
      );
      optimizer.dispose();
    });
  });
});

describe('what was saved by its kind and cannot be revived', () => {
  test('before registerOptimizers: the error says what to do', async () => {
    vi.resetModules();
    const { AdamW: Unregistered } = await import('../../src/optimizers/adamw.js');
    const config = {
      learningRate: { kind: 'linearWarmup', peak: 1, warmupSteps: 3, from: 0 },
      groups: [],
    };
    expect(() => Unregistered.fromConfig(Unregistered as never, config)).toThrow(
      "AdamW: learningRate was saved as 'linearWarmup'; call registerOptimizers() before loading",
    );
    expect(() =>
      Unregistered.fromConfig(Unregistered as never, {
        learningRate: 0.1,
        rrc: { kind: 'rrc', batchSize: 8 },
      }),
    ).toThrow("AdamW: rrc was saved as 'rrc'; call registerOptimizers() before loading");
  });

  test('an unknown kind', () => {
    registerOptimizers();
    expect(() =>
      AdamW.fromConfig(AdamW as never, { learningRate: { kind: 'cyclic' }, groups: [] }),
    ).toThrow(/kind must be one of .*trapezoid.*got 'cyclic'/);
  });

  test('the built-in rules are what RuleOptimizer takes', () => {
    const optimizer = new RuleOptimizer({
      rule: adamW(),
      learningRate: 0.1,
      hyperparameters: { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 },
    });
    expect(optimizer.getConfig().rule).toBe('adamW');
  });
});
