/** The learning rate as a property of an optimizer, as of those of tfjs; and options, which are not. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AdamW, registerOptimizers, RuleOptimizer } from '../../src/optimizers/index.js';
import { lion } from '../../src/rules/index.js';
import { linearWarmup, warmupCosine } from '../../src/schedules/index.js';
import { useBackend } from '../support/backends.js';
import { defaultCases } from '../support/optimizers.js';
import { bitsOf, numbersTensor, numbersVariable, stateOf, stepWith } from '../support/tensors.js';

afterEach(() => tf.disposeVariables());

const weightDecay = 0.1;
const schedule = linearWarmup({ peak: 0.5, warmupSteps: 10 });

describe.each([
  ['wasm', 'auto'],
  ['cpu', 'auto'],
  ['cpu', 'ops'],
] as const)('on %s, executor %s', (backend, executor) => {
  beforeEach(() => useBackend(backend));

  // Steps go on: a schedule that is set at step 4 is asked for step 4.
  const last = linearWarmup({ peak: 0.03, warmupSteps: 10 });
  const planned = (step: number): number => [0.02, 0.02, 0.005, 0.02, last(4), last(5)][step];
  const changes: Record<number, number | typeof last> = { 2: 0.005, 3: 0.02, 4: last };

  test.each(defaultCases)('$name: a rate that is set in mid-run', async ({ make }) => {
    const run = async (isSet: boolean) => {
      const w = numbersVariable([6, 4], 1, 'w');
      const optimizer = make({ learningRate: isSet ? 0.02 : planned, weightDecay, executor });
      for (let step = 0; step < 5; step++) {
        if (isSet && step in changes) optimizer.learningRate = changes[step];
        stepWith(optimizer, [w, numbersTensor([6, 4], 10 + step)]);
      }
      const state = await stateOf(optimizer);
      const result = { weights: bitsOf(w), state, next: optimizer.currentLearningRate };
      optimizer.dispose();
      w.dispose();
      return result;
    };
    expect(await run(true)).toEqual(await run(false));
  });
});

describe('learningRate', () => {
  beforeEach(() => useBackend('cpu'));

  const rates = { number: 0.1, schedule, function: (step: number) => 1 / (step + 1) };
  test.each(Object.entries(rates))('a %s reads as it was given, and as it was set', (_, rate) => {
    for (const optimizer of defaultCases.map(({ make }) =>
      make({ learningRate: rate, weightDecay }),
    )) {
      expect(optimizer.learningRate).toBe(rate);
      expect(optimizer.currentLearningRate).toBe(typeof rate === 'number' ? rate : rate(0));
      optimizer.learningRate = 0.25;
      expect(optimizer.currentLearningRate).toBe(0.25);
      optimizer.setLearningRate(rate);
      expect(optimizer.learningRate).toBe(rate);
      expect(optimizer.hyperparameters.learningRate).toBe(rate);
      optimizer.dispose();
    }
  });

  test('one that was set is saved, and comes back', () => {
    registerOptimizers();
    const optimizer = new AdamW({ learningRate: 0.1 });
    for (const rate of [0.3, schedule, warmupCosine({ peak: 1, warmupSteps: 3, totalSteps: 9 })]) {
      optimizer.learningRate = rate;
      const config = JSON.parse(JSON.stringify(optimizer.getConfig())) as never;
      const again = AdamW.fromConfig<AdamW>(AdamW, config);
      expect(again.currentLearningRate).toBe(optimizer.currentLearningRate);
      expect(again.getConfig()).toEqual(optimizer.getConfig());
    }
    optimizer.learningRate = (step) => step;
    expect(() => optimizer.getConfig()).toThrow('AdamW: learningRate is a plain function');
  });

  const wrong = [NaN, Infinity, -1, '0.1', undefined, null, {}, [0.1], true];
  test.each(wrong)('%j is refused and leaves the old one', (rate) => {
    const optimizer = new AdamW({ learningRate: schedule });
    const message =
      /^AdamW: learningRate must lie in \[0, Infinity\), or be a schedule or a function of the step, got /;
    expect(() => optimizer.setLearningRate(rate as never)).toThrow(message);
    expect(() => {
      optimizer.learningRate = rate as never;
    }).toThrow(message);
    expect(optimizer.learningRate).toBe(schedule);
  });

  test('one at which the decay would turn weights is refused at the step, which changes nothing', () => {
    const w = numbersVariable([3, 2], 1, 'turned');
    const optimizer = new AdamW({ learningRate: 0.1, weightDecay: 0.5 });
    stepWith(optimizer, [w, numbersTensor([3, 2], 2)]);
    const before = bitsOf(w);
    optimizer.learningRate = 3;
    expect(() => stepWith(optimizer, [w, numbersTensor([3, 2], 3)])).toThrow(
      'learningRate * weightDecay must be below 1',
    );
    expect(optimizer.iterations).toBe(1);
    expect(bitsOf(w)).toEqual(before);
    optimizer.learningRate = 0.1;
    stepWith(optimizer, [w, numbersTensor([3, 2], 3)]);
    expect(optimizer.iterations).toBe(2);
    optimizer.dispose();
  });
});

describe('all other options', () => {
  test.each(defaultCases)('$name: read as they are, and refuse an assignment', ({ make }) => {
    const optimizer = make({ learningRate: 0.1, weightDecay });
    const given = optimizer.hyperparameters;
    const read = optimizer as unknown as Record<string, unknown>;
    const names = new Set([...Object.keys(given), 'clipNorm', 'probe']);
    names.delete('learningRate');
    expect(names.size).toBeGreaterThan(4);
    for (const name of names) {
      expect(read[name]).toBe(given[name]);
      expect(() => {
        read[name] = 0;
      }).toThrow(`: ${name} cannot be set, only learningRate can; make a new optimizer`);
      expect(read[name]).toBe(given[name]);
    }
    expect(optimizer.getConfig()).toEqual(make({ learningRate: 0.1, weightDecay }).getConfig());
    optimizer.dispose();
  });

  test('each by name: beta1, weightDecay, clipNorm, groups, currentLearningRate', () => {
    const optimizer = new AdamW({ learningRate: 0.1, clipNorm: 2 });
    for (const name of ['beta1', 'weightDecay', 'clipNorm', 'groups', 'currentLearningRate'])
      expect(() => Object.assign(optimizer, { [name]: 0.5 })).toThrow(
        `AdamW: ${name} cannot be set`,
      );
    expect((optimizer as unknown as { clipNorm: number }).clipNorm).toBe(2);
    expect(optimizer.currentLearningRate).toBe(0.1);
  });

  test('hyperparameters of a rule; a name that the class has itself stays what it is', () => {
    const optimizer = new RuleOptimizer({ rule: lion, learningRate: 0.1 });
    expect(() => Object.assign(optimizer, { beta2: 0.5 })).toThrow(
      'RuleOptimizer lion: beta2 cannot be set, only learningRate can; make a new optimizer',
    );
    const { describe: own } = optimizer;
    expect(own).toBeTypeOf('function');
  });

  test('a subclass with fields of its own', () => {
    class Mine extends AdamW {
      note = 'mine';
      beta1 = 'a field';
    }
    const optimizer = new Mine({ learningRate: 0.1 });
    optimizer.note = 'changed';
    expect([optimizer.note, optimizer.beta1]).toEqual(['changed', 'a field']);
  });
});
