import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useBackend } from '../../bench/support/backend.js';
import { CharacterModel } from '../../bench/warmup-study/model.js';
import { referenceLoss, type Weights } from './reference-gpt.js';

const shape = { layers: 2, width: 4, context: 4 };
const vocabularySize = 7;
const batch = {
  size: 3,
  inputs: Int32Array.from({ length: 12 }, (_, i) => (i * i + 1) % 7),
  targets: Int32Array.from({ length: 12 }, (_, i) => (3 * i + 2) % 7),
};

const weightsOf = (model: CharacterModel): Weights =>
  Object.fromEntries(
    model.variables.map((variable) => [variable.name, Float64Array.from(variable.dataSync())]),
  );

describe.each(['cpu', 'wasm'] as const)('the character model on %s', (backend) => {
  let model: CharacterModel;
  beforeEach(async () => {
    await useBackend(backend);
    model = new CharacterModel(shape, vocabularySize, 5);
  });
  afterEach(() => model.dispose());

  it('has the loss of the float64 reference', () => {
    const expected = referenceLoss(weightsOf(model), shape, batch);
    const loss = model.loss(batch);
    expect(loss.dataSync()[0]).toBeCloseTo(expected, 5);
    loss.dispose();
  });

  it('has the gradient that finite differences of the reference give, for every weight', () => {
    const weights = weightsOf(model);
    const { value, grads } = tf.variableGrads(() => model.loss(batch), model.variables);
    const h = 1e-6;
    for (const [name, values] of Object.entries(weights)) {
      const gradient = grads[name].dataSync();
      values.forEach((weight, i) => {
        const lossAt = (shifted: number): number => {
          values[i] = shifted;
          return referenceLoss(weights, shape, batch);
        };
        const expected = (lossAt(weight + h) - lossAt(weight - h)) / (2 * h);
        values[i] = weight;
        if (Math.abs(gradient[i] - expected) > 1e-5)
          expect(`${name}[${i}] ${gradient[i]}`).toBe(expected);
      });
    }
    tf.dispose([value, grads]);
  });

  it('keeps no tensors beyond its weights, and none after dispose', () => {
    const before = tf.memory().numTensors;
    tf.dispose(tf.variableGrads(() => model.loss(batch), model.variables));
    tf.dispose(model.loss(batch));
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before - model.variables.length - 1);
    model = new CharacterModel(shape, vocabularySize, 5);
  });
});

describe('initial weights', () => {
  it('are the same for the same seed and others for another', async () => {
    await useBackend('cpu');
    const [a, b, c] = [5, 5, 6].map((seed) => {
      const model = new CharacterModel(shape, vocabularySize, seed);
      const weights = weightsOf(model);
      model.dispose();
      return weights;
    });
    expect(a).toEqual(b);
    expect(a.embedding).not.toEqual(c.embedding);
  });

  it('have the deviation 0.02 sqrt(768 / width), half of it where two layers write to the residuals', async () => {
    await useBackend('cpu');
    const model = new CharacterModel({ layers: 2, width: 48, context: 32 }, 83, 1);
    const weights = weightsOf(model);
    const deviation = (name: string): number =>
      Math.sqrt(weights[name].reduce((sum, w) => sum + w * w, 0) / weights[name].length);
    expect(deviation('block0/hidden/up')).toBeCloseTo(0.08, 2);
    expect(deviation('block1/hidden/down')).toBeCloseTo(0.04, 2);
    expect(weights['final/gain']).toEqual(new Float64Array(48).fill(1));
    expect(model.parameterCount).toBe(61056);
    model.dispose();
  });
});
