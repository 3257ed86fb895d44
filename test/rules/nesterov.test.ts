/** The look-ahead of rules. */
import { describe, expect, test } from 'vitest';
import { planUpdate } from '../../src/compiler/program.js';
import { AdamW, rrc } from '../../src/optimizers/index.js';
import { adamW, defineRule, lion, mul, nesterov, sgdMomentum, sub } from '../../src/rules/index.js';
import { nAdamW } from '../reference/nadamw.js';
import { distance, expectSameBits, largest } from '../support/numbers.js';
import { expectAsReference, places, train, trainReference, trainRule } from './tools.js';

const adam = { learningRate: 0.01, weightDecay: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

describe('nesterov(adamW())', () => {
  test('is NAdamW, with the same bits on every executor', () =>
    expectAsReference(nesterov(adamW()), nAdamW, adam));

  test('beta1 = 0 has nothing to look ahead with: AdamW', async () => {
    const { learningRate, weightDecay, ...hyperparameters } = { ...adam, beta1: 0 };
    expectSameBits(
      await trainRule(nesterov(adamW()), { learningRate, weightDecay }, hyperparameters),
      await trainRule(adamW(), { learningRate, weightDecay }, hyperparameters),
      'look-ahead without momentum',
    );
  });

  test('AdamW takes it as an option, with the same bits', async () => {
    const settings = { learningRate: 0.01, weightDecay: 0.1 };
    const flagged = (executor: 'auto' | 'ops') =>
      new AdamW({ ...settings, nesterov: true, executor });
    expectSameBits(
      await train(places[0], flagged),
      await trainRule(nesterov(adamW()), settings),
      'option against transform',
    );
    expect(flagged('ops').getConfig()).toMatchObject({ nesterov: true });
  });

  test('goes with a correction that is given its ratio: c scales the step alone', async () => {
    const weights = await train(
      places[0],
      (executor) =>
        new AdamW({
          learningRate: 0.02,
          nesterov: true,
          weightDecay: 0,
          rrc: rrc({ signalToNoise: 1, batchSize: 4 }),
          executor,
        }),
    );
    // r = 1/2: c = sqrt(1/2 + 1/8).
    const learningRate = 0.02 * Math.sqrt(5 / 8);
    const exact = trainReference(nAdamW, { ...adam, weightDecay: 0, learningRate });
    expect(distance(weights, exact)).toBeLessThan(1e-6 * largest(exact));
  });

  test('is one sweep over the elements, as AdamW', () => {
    for (const rule of [nesterov(adamW()), adamW(undefined, true), adamW()])
      expect(planUpdate(rule, true).stages.map(({ domain }) => domain)).toEqual(['element']);
  });
});

test('nesterov(sgdMomentum(false)) is sgdMomentum(true)', async () => {
  const settings = { learningRate: 0.01, weightDecay: 0.01 };
  const wanted = await trainRule(sgdMomentum(true), settings);
  const weights = await trainRule(nesterov(sgdMomentum(false)), settings);
  expect(distance(weights, wanted)).toBeLessThan(1e-6 * largest(wanted));
  expect(distance(weights, await trainRule(sgdMomentum(false), settings))).toBeGreaterThan(0.01);
});

test('a rule without bias correction looks ahead with the momentum as it is', async () => {
  const plain = { name: 'plainMean', slots: { m: 'element' }, roles: { momentum: 'm' } } as const;
  const rule = defineRule({
    ...plain,
    update: ({ w, g, m }, s) => ({ w: sub(w, mul(s.learningRate, sub(g, m))), m: mul(0.5, g) }),
  });
  // m' = g / 2, so that the step is g - m' = g / 2.
  const half = defineRule({
    name: 'half',
    update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, sub(g, mul(0.5, g)))) }),
  });
  expectSameBits(
    await trainRule(nesterov(rule), { learningRate: 0.1 }),
    await trainRule(half, { learningRate: 0.1 }),
    'look-ahead',
  );
});

test('the name says it; roles and hyperparameters stay', () => {
  const { name, roles, hyperparameters, decoupled, slots } = nesterov(lion);
  expect(name).toBe('nesterovLion');
  expect({ roles, hyperparameters, decoupled, slots }).toEqual({
    roles: lion.roles,
    hyperparameters: lion.hyperparameters,
    decoupled: true,
    slots: lion.slots,
  });
});

test('a rule without momentum is refused by name', () => {
  const rule = defineRule({ name: 'descent', update: ({ w, g }) => ({ w: sub(w, g) }) });
  expect(() => nesterov(rule)).toThrow(
    "nesterov: rule must name the slot of its momentum in roles.momentum, got 'descent'",
  );
});
