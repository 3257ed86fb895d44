/** State on the GPU that is saved, loaded and started anew. */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { AdamW, LionAR, RotationalAdamW } from '../../src/optimizers/index.js';
import { takeErrors } from './support/dawn.js';
import { describeWebGPU } from './support/vitest.js';
import { makeAdamW, step, valuesOf, variableOf } from './tools.js';

const gradient = (length = 4): tf.Tensor => tf.tensor1d(Array.from({ length }, (_, i) => i - 1));

describeWebGPU('saved state', () => {
  it('integers, on the CPU or on the GPU, are read as the numbers that they are', async () => {
    const x = variableOf([1, 2, 3], [3], 'integers');
    // The result of an operation is on the GPU.
    const onGPU = (values: number[], shape: number[]) =>
      tf.add(tf.tensor(values, shape, 'int32'), tf.scalar(0, 'int32'));
    for (const make of [
      onGPU,
      (values: number[], shape: number[]) => tf.tensor(values, shape, 'int32'),
    ]) {
      const optimizer = makeAdamW();
      await optimizer.setWeights([
        { name: 'iter', tensor: make([7], []) },
        { name: 'integers/count', tensor: make([3, 1], [2]) },
        { name: 'integers/m', tensor: make([1, -2, 300], [3]) },
        { name: 'integers/v', tensor: make([1, 2, 3], [3]) },
      ]);
      expect(optimizer.iterations).toBe(7);
      optimizer.prepare([x]);
      const { count, slots } = optimizer.readState(x)!;
      expect(count).toBe(3 + 2 ** 31);
      expect(await valuesOf(slots.m)).toEqual([1, -2, 300]);
      expect(await valuesOf(slots.v)).toEqual([1, 2, 3]);
      tf.dispose(slots);
      optimizer.dispose();
    }
    x.dispose();
    expect(takeErrors()).toEqual([]);
  });

  it('is whole or refused, and saving a model leaves nothing', async () => {
    const optimizer = new AdamW({ learningRate: 0.1 });
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2] })] });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    await model.trainOnBatch(tf.ones([1, 2]), tf.ones([1, 3]));
    const before = tf.memory().numTensors;
    const save = () =>
      model.save(
        tf.io.withSaveHandler(async ({ weightSpecs }) => {
          expect(weightSpecs!.length).toBe(2 + 2 + 6);
          return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
        }),
        { includeOptimizer: true },
      );
    await save();
    await Promise.all([save(), save(), save()]);
    expect(tf.memory().numTensors).toBe(before);

    const weights = await optimizer.getWeights();
    const next = new AdamW({ learningRate: 0.1 });
    await expect(next.setWeights(weights.slice(0, -3))).rejects.toThrow('must be whole');
    const pending = next.setWeights(weights);
    expect(() => next.prepare([])).toThrow('await it first');
    await pending;
    next.reset();
    expect(next.iterations).toBe(0);
    tf.dispose(weights.map(({ tensor }) => tensor));
    next.dispose();
    expect(tf.memory().numTensors).toBe(before);
    optimizer.dispose();
    model.dispose();
  });

  it.each([
    ['LionAR', () => new LionAR({ learningRate: 1e-3, rotation: 1e-3 })],
    ['RotationalAdamW', () => new RotationalAdamW({ learningRate: 1e-3, zeroMean: false })],
  ])('%s: reset measures norms anew, and zeroes moments', async (_, make) => {
    const w = variableOf([1, 2, 3, 4], [2, 2]);
    const optimizer = make();
    const g = gradient().reshape([2, 2]);
    optimizer.prepare([w]);
    step(optimizer, [w, g]);
    w.assign(tf.tensor2d([30, 0, 0, 40], [2, 2]));
    optimizer.reset([w], { norms: true });
    step(optimizer, [w, g]);
    const columns = async () => (await valuesOf(tf.norm(w, 2, 0))).map(Math.round);
    expect(await columns()).toEqual([30, 40]);
    optimizer.reset();
    const { count, slots } = optimizer.readState(w)!;
    expect([count, ...(await valuesOf(slots.m))]).toEqual([0, 0, 0, 0, 0]);
    step(optimizer, [w, g]);
    expect(await columns()).toEqual([30, 40]);
    optimizer.dispose();
    expect(takeErrors()).toEqual([]);
  });
});
