/** What a probe, or a user, can ask of an optimizer: its hyperparameters, and a variable's state. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AdamW, Lion } from '../../src/optimizers/index.js';
import { useBackend } from '../support/backends.js';

beforeEach(() => useBackend('wasm'));
afterEach(() => tf.disposeVariables());

describe('hyperparameters', () => {
  test('all that are given or have a default, by name', () => {
    const { hyperparameters } = new AdamW({
      learningRate: 0.5,
      beta1: 0.8,
      weightDecay: undefined,
    });
    expect(hyperparameters).toMatchObject({
      learningRate: 0.5,
      weightDecay: 0.01,
      groups: [],
      executor: 'auto',
      beta1: 0.8,
      beta2: 0.999,
      epsilon: 1e-8,
    });
    expect(hyperparameters).not.toHaveProperty('clipNorm');
  });

  test('cannot be changed', () => {
    expect(Object.isFrozen(new Lion({ learningRate: 1 }).hyperparameters)).toBe(true);
  });
});

describe.each(['auto', 'ops'] as const)('the state of a variable, executor %s', (executor) => {
  const make = () => {
    const w = tf.variable(tf.zeros([2]), true, 'w');
    const optimizer = new Lion({ learningRate: 0.5, beta2: 0.5, executor });
    return { w, optimizer, step: () => optimizer.minimize(() => tf.sum(tf.mul(w, [4, -2]))) };
  };

  test('there is none before the first step', () => {
    const { w, optimizer } = make();
    expect(optimizer.readState(w)).toBeUndefined();
    optimizer.dispose();
    expect(() => optimizer.readState(w)).toThrow('Lion: this optimizer was disposed');
  });

  test('the count and copies of the slots, which stay as they are', () => {
    const { w, optimizer, step } = make();
    step();
    const tensors = tf.memory().numTensors;
    const { count, slots } = optimizer.readState(w)!;
    step();
    expect(count).toBe(1);
    expect(Object.keys(slots)).toEqual(['m']);
    expect(slots.m.arraySync()).toEqual([2, -1]);
    tf.dispose(slots);
    expect(tf.memory().numTensors).toBe(tensors);
    optimizer.dispose();
  });

  test('that was loaded, before the variable’s first step and after', async () => {
    const { w, optimizer: saved, step } = make();
    step();
    step();
    const weights = await saved.getWeights();
    const optimizer = new Lion({ learningRate: 0.5, beta2: 0.5, executor });
    await optimizer.setWeights(weights);
    tf.dispose(weights.map(({ tensor }) => tensor));
    const loaded = optimizer.readState(w)!;
    expect(loaded.count).toBe(2);
    expect(loaded.slots.m.arraySync()).toEqual([3, -1.5]);
    tf.dispose(loaded.slots);
    optimizer.minimize(() => tf.sum(tf.mul(w, [4, -2])));
    const next = optimizer.readState(w)!;
    expect(next.count).toBe(3);
    expect(next.slots.m.arraySync()).toEqual([3.5, -1.75]);
    tf.dispose(next.slots);
    optimizer.dispose();
    saved.dispose();
  });
});
