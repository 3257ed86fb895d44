/** What defineRule, deriveRule and RuleOptimizer check at run time, for users of JavaScript. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { planUpdate } from '../../src/compiler/program.js';
import { FusedOptimizer, RuleOptimizer } from '../../src/optimizers/index.js';
import {
  adamW,
  defineRule,
  deriveRule,
  ema,
  lionAR,
  mul,
  sub,
  type Rule,
  type RuleOptions,
} from '../../src/rules/index.js';
import { useBackend } from '../support/backends.js';
import { expectSameBits } from '../support/numbers.js';
import { trainRule } from './tools.js';

beforeAll(() => useBackend('wasm'));

/** A rule as JavaScript lets one write it. */
const define = (options: object): Rule => defineRule(options as RuleOptions);
const optimize = (rule: Rule, hyperparameters?: object, options?: object): RuleOptimizer =>
  new RuleOptimizer({ rule, learningRate: 0.1, hyperparameters, ...options } as never);

/** Runs one step; gives the weights before and after, and what was thrown. */
function step(rule: Rule, hyperparameters?: object): { weights: number[]; error?: Error } {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const g = tf.tensor1d([1, 1]);
  const optimizer = optimize(rule, hyperparameters);
  let error: Error | undefined;
  try {
    optimizer.applyGradients({ [w.name]: g });
  } catch (thrown) {
    error = thrown as Error;
  }
  const weights = [...w.dataSync()];
  for (const thing of [optimizer, w, g]) thing.dispose();
  return { weights, error };
}

const descent = {
  name: 'descent',
  update: ({ w, g }: never, s: never) => ({ w: sub(w, mul(s['learningRate'], g)) }),
};

describe('scalars', () => {
  test.each<[string, object, string]>([
    [
      'a misspelt hyperparameter gives NaN',
      { host: ({ learningRate, bta }: never) => ({ learningRate, keep: 1 - bta }) },
      "rule typo: the host's keep must be a number, got NaN",
    ],
    [
      'a misspelt hyperparameter handed on',
      { host: ({ learningRate, bta }: never) => ({ learningRate, keep: bta }) },
      "rule typo: the host gives no number called 'keep'",
    ],
    [
      'a text',
      { host: ({ learningRate }: never) => ({ learningRate, keep: '0.9' }) },
      "rule typo: the host's keep must be a number, got '0.9'",
    ],
    [
      'a scalar that the host leaves out',
      { host: ({ learningRate }: never) => ({ learningRate }) },
      "rule typo: the host gives no number called 'keep'",
    ],
    ['no host', {}, "rule typo: the host gives no number called 'keep'"],
    ['nothing', { host: () => undefined }, 'rule typo: host must return an object of numbers'],
  ])('%s: an error that names rule and scalar, before anything changes', (_, part, message) => {
    const rule = define({
      ...part,
      name: 'typo',
      slots: { m: 'element' },
      update: ({ w, g, m }: never, s: never) => {
        const next = ema(m, g, s['keep']);
        return { w: sub(w, mul(s['learningRate'], next)), m: next };
      },
    });
    const { weights, error } = step(rule, { beta: 0.9 });
    expect(error?.message).toContain(message);
    expect(weights).toEqual([1, 2]);
  });

  test('a rule that is right goes on without a word', () => {
    expect(step(define(descent))).toEqual({
      weights: [Math.fround(0.9), Math.fround(1.9)],
      error: undefined,
    });
  });

  test('a scalar that only the initial value asks for', () => {
    const rule = define({
      name: 'late',
      slots: { m: 'element' },
      host: () => ({}),
      initial: (_: never, s: never) => ({ m: s['start'] }),
      update: ({ w }: never) => ({ w }),
    });
    expect(step(rule).error?.message).toBe("rule late: the host gives no number called 'start'");
  });

  test('a preparation may ask for size, neurons and fanIn only', () => {
    const prepared = (name: string): Rule =>
      define({
        ...descent,
        prepare: ({ w }: never, s: never) => ({ w: mul(w, s[name]) }),
      });
    expect(step(prepared('size')).weights[0]).toBeCloseTo(2 - 0.1, 5);
    expect(step(prepared('learningRate')).error?.message).toBe(
      "rule descent: prepare must ask for no scalars but size, neurons, fanIn, got 'learningRate'",
    );
  });
});

test('a result that names no slot', () => {
  const rule = define({
    name: 'r',
    slots: { m: 'element' },
    update: ({ w }: never) => ({ w, mm: w }),
  });
  expect(() => planUpdate(rule, false)).toThrow(
    "rule r: update must give w and slots only, got 'mm'",
  );
});

describe('declared hyperparameters', () => {
  const declared = (hyperparameters: object): Rule =>
    define({
      ...descent,
      hyperparameters,
      host: ({ learningRate, gain }: never) => ({ learningRate: learningRate * gain }),
    });

  test.each<[string, object, string]>([
    [
      'a name of the host',
      { count: 1 },
      'rule descent: hyperparameters must be named with letters',
    ],
    ['a name with other signs', { 'my gain': 1 }, "got 'my gain'"],
    [
      'no number',
      { gain: '1' },
      'rule descent: hyperparameters.gain must be a number, or an object',
    ],
    ['null', { gain: null }, 'hyperparameters.gain must be a number, or an object'],
    [
      'a misspelt part',
      { gain: { defualt: 1 } },
      "rule descent: hyperparameters.gain: unknown option 'defualt', allowed are default, range",
    ],
    [
      'no interval',
      { gain: { range: '0..1' } },
      "rule descent: hyperparameters.gain.range must be an interval such as '[0, 1)', got '0..1'",
    ],
    [
      'a default that is not allowed',
      { gain: { default: 2, range: '[0, 1)' } },
      'rule descent: hyperparameters.gain.default must lie in [0, 1), got 2',
    ],
    [
      'NaN',
      { gain: NaN },
      'hyperparameters.gain.default must lie in (-Infinity, Infinity), got NaN',
    ],
  ])('%s is refused', (_, hyperparameters, message) => {
    expect(() => declared(hyperparameters)).toThrow(message);
  });

  test('the default is used, and what is given in its place', () => {
    const rule = declared({ gain: { default: 2, range: '[0, 5]' } });
    expect(step(rule).weights[0]).toBeCloseTo(0.8, 6);
    expect(step(rule, { gain: 5 }).weights[0]).toBeCloseTo(0.5, 6);
    expect(step(declared({ gain: 3 })).weights[0]).toBeCloseTo(0.7, 6);
  });

  test('unknown, out of range, or missing: an error that names rule, hyperparameter and value', () => {
    const rule = declared({ gain: { range: '[0, 5]' } });
    expect(() => optimize(rule)).toThrow(
      'RuleOptimizer descent: hyperparameters.gain must lie in [0, 5], got undefined',
    );
    expect(() => optimize(rule, { gain: 6 })).toThrow(
      'RuleOptimizer descent: hyperparameters.gain must lie in [0, 5], got 6',
    );
    expect(() => optimize(rule, { gain: 1, gian: 1 })).toThrow(
      "RuleOptimizer descent: unknown hyperparameter 'gian', allowed are gain",
    );
    expect(() => optimize(rule, undefined, { gain: 1 })).toThrow(
      "RuleOptimizer descent: unknown option 'gain'",
    );
  });

  test('the built-in rules have those of their optimizers', async () => {
    expect(optimize(adamW()).getConfig().hyperparameters).toEqual({
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
    });
    const form = {
      nesterov: true,
      biasCorrection: 'none',
      zeroMean: false,
      perNeuron: true,
      equilibriumRate: 'adamw',
      exactAngle: false,
    } as const;
    expect(() => optimize(lionAR({ ...form, givenRotation: true }))).toThrow(
      'RuleOptimizer lionAR: hyperparameters.rotation must lie in [0, Infinity), got undefined',
    );
    expect(() => optimize(lionAR({ ...form, givenRotation: false }), { rotation: 1 })).toThrow(
      "unknown hyperparameter 'rotation', allowed are beta, matchAdamW",
    );
  });

  test('a rule that declares none takes any number', () => {
    expect(optimize(define(descent), { anything: 3 }).getConfig().hyperparameters).toEqual({
      anything: 3,
    });
  });

  test.each(['learningRate', 'weightDecay', 'groups', 'clipNorm', 'probe', 'executor', 'step'])(
    '%s is taken by what every optimizer has',
    (name) => {
      for (const given of [1, { attach: 1 }])
        expect(() => optimize(define(descent), { [name]: given })).toThrow(
          /^RuleOptimizer descent: hyperparameters must be named with letters and digits, and not .*got/,
        );
    },
  );

  test('weights that a decoupled rule would turn are refused', () => {
    const w = tf.variable(tf.tensor2d([[1, 2]]));
    const optimizer = optimize(adamW(), {}, { weightDecay: 20 });
    expect(optimizer).toBeInstanceOf(FusedOptimizer);
    expect(() => optimizer.applyGradients({ [w.name]: tf.tensor2d([[1, 1]]) })).toThrow(
      'learningRate * weightDecay must be below 1',
    );
    tf.disposeVariables();
  });
});

test.each<[string, object, string]>([
  ['decoupled', { decoupled: 1 }, 'rule descent: decoupled must be true or false, got 1'],
  [
    'momentumCorrected',
    { roles: { momentumCorrected: 'm' } },
    "rule descent: roles.momentumCorrected must be true or false, got 'm'",
  ],
  [
    'momentumCorrected without a decay',
    { slots: { m: 'element' }, roles: { momentum: 'm', momentumCorrected: true } },
    'rule descent: roles.momentumDecay must name a declared hyperparameter, got undefined',
  ],
  [
    'a decay that is not declared',
    {
      slots: { m: 'element' },
      hyperparameters: { beta: 0.9 },
      roles: { momentum: 'm', momentumDecay: 'bta' },
    },
    "rule descent: roles.momentumDecay must name a declared hyperparameter, got 'bta'",
  ],
])('%s is checked', (_, part, message) => {
  expect(() => define({ ...descent, ...part })).toThrow(message);
});

describe('deriveRule', () => {
  const inner = defineRule({
    name: 'heavyBall',
    slots: { m: 'element' },
    hyperparameters: { beta: { default: 0.5, range: '[0, 1)' } },
    host: ({ learningRate, beta }) => ({ learningRate, beta }),
    update: ({ w, g, m }, s) => {
      const next = ema(m, g, s.beta);
      return { w: sub(w, mul(s.learningRate, next)), m: next };
    },
  });
  const settings = { learningRate: 0.01 };

  test('what is not replaced stays', async () => {
    const same = deriveRule(inner, { update: () => ({}) });
    expect(same).toMatchObject({ name: 'derivedHeavyBall', slots: inner.slots });
    expect(same.hyperparameters).toEqual(inner.hyperparameters);
    expectSameBits(
      await trainRule(same, settings),
      await trainRule(inner, settings),
      'derived against inner',
    );
  });

  test('sees the new values, adds slots, hyperparameters and scalars', async () => {
    // Half the step, in two ways.
    const halved = deriveRule(inner, {
      name: 'halved',
      slots: { previous: 'element' },
      hyperparameters: { share: 0.5 },
      host: ({ share }, { beta }) => ({ share, rest: 1 - share, forget: 1 - beta }),
      update: ({ w }, s, next) => ({ w: ema(w, next.w, s.rest), previous: mul(s.forget, next.m) }),
    });
    const { rule, previous } = { rule: halved, previous: halved.slots.previous };
    expect(previous).toBe('element');
    const weights = await trainRule(rule, settings);
    const wanted = await trainRule(inner, { learningRate: 0.005 });
    weights.forEach((weight, i) => expect(Math.abs(weight - wanted[i])).toBeLessThan(1e-5));
    expect(planUpdate(rule, false).stages).toHaveLength(1);
  });

  test('a scalar of the same name takes the place of the inner one', async () => {
    const slower = deriveRule(inner, {
      host: (_, { learningRate }) => ({ learningRate: learningRate / 2 }),
      update: () => ({}),
    });
    expectSameBits(
      await trainRule(slower, settings),
      await trainRule(inner, { learningRate: 0.005 }),
      'half the rate',
    );
  });

  test('an inner rule without a host hands its host values on', async () => {
    const plain = defineRule({
      name: 'plain',
      update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)) }),
    });
    const twice = deriveRule(plain, {
      update: ({ g }, s, { w }) => ({ w: sub(w, mul(s.learningRate, g)) }),
    });
    expect(step(twice).weights[0]).toBeCloseTo(0.8, 6);
  });

  test.each<[string, () => unknown, string]>([
    [
      'no rule',
      () => deriveRule({} as never, { update: () => ({}) }),
      'deriveRule: rule must be what defineRule gave',
    ],
    ['no update', () => deriveRule(inner, {} as never), 'update must be a function, got undefined'],
    [
      'an unknown part',
      () => deriveRule(inner, { update: () => ({}), initial: () => ({}) } as never),
      "deriveRule: unknown option 'initial'",
    ],
    [
      'a slot of the inner rule',
      () => deriveRule(inner, { slots: { m: 'element' }, update: () => ({}) }),
      "rule derivedHeavyBall: slots must have other names than those of heavyBall, got 'm'",
    ],
    [
      'an undeclared slot',
      () => planUpdate(deriveRule(inner, { update: () => ({ mm: 1 }) } as never), false),
      "rule derivedHeavyBall: update must give w and slots only, got 'mm'",
    ],
    [
      'a host that gives NaN',
      () => {
        const rule = deriveRule(inner, { host: () => ({ share: NaN }), update: () => ({}) });
        const { error } = step(rule);
        throw error!;
      },
      "rule derivedHeavyBall: the host's share must be a number, got NaN",
    ],
  ])('%s is refused', (_, make, message) => {
    expect(make).toThrow(message);
  });
});
