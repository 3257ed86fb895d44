/**
 * The warmup study on webgpu: the losses of wasm, and after the first steps nothing new on the
 * device.
 */
import { readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { expect, it } from 'vitest';
import { readCorpus } from '../../bench/warmup-study/data.js';
import { baseline, experiments } from '../../bench/warmup-study/experiments.js';
import { train } from '../../bench/warmup-study/train.js';
import { describeWebGPU } from './support/vitest.js';
import { backend } from './tools.js';

/**
 * Calls that make what is labelled as this library's; tfjs has no labels, and makes bind groups all
 * the time.
 */
function countOurs(device: GPUDevice): { since(): string[]; stop(): void } {
  const names = [
    'createBindGroup',
    'createComputePipeline',
    'createShaderModule',
    'createBuffer',
  ] as const;
  let seen: string[] = [];
  for (const name of names) {
    const original = device[name].bind(device) as (descriptor: GPUObjectDescriptorBase) => unknown;
    const counting = (descriptor: GPUObjectDescriptorBase): unknown => {
      if (descriptor.label?.startsWith('tfjs-warmup')) seen.push(`${name} ${descriptor.label}`);
      return original(descriptor);
    };
    Object.defineProperty(device, name, { value: counting, configurable: true });
  }
  return {
    since: () => [seen, (seen = [])][0],
    stop: () => names.forEach((name) => Reflect.deleteProperty(device, name)),
  };
}

describeWebGPU('the warmup study', () => {
  it('learns on webgpu as on wasm, and asks for nothing new after 20 steps', async () => {
    const text = await readFile(new URL('../../bench/data/moby-dick.txt', import.meta.url), 'utf8');
    const shape = { layers: 1, width: 16, context: 8, batch: 4 };
    const corpus = readCorpus(text.slice(0, 1000), shape.context);
    const steps = 56;
    const experiment = experiments.find(({ name }) => name === baseline)!;
    const setup = { corpus, shape, learningRate: 0.02, steps, seed: 1 };

    const counter = countOurs(backend().device);
    const made: string[][] = [];
    const { losses } = await train(experiment, setup, () => made.push(counter.since()));
    counter.stop();
    expect(made[0].length).toBeGreaterThan(0);
    expect(made.slice(20).flat()).toEqual([]);

    expect(await tf.setBackend('wasm')).toBe(true);
    const onWasm = await train(experiment, setup, () => undefined);
    expect(await tf.setBackend('webgpu')).toBe(true);
    expect(losses[steps - 1]).toBeLessThan(losses[0]);
    for (let step = 0; step < 20; step++)
      expect(Math.abs(losses[step] - onWasm.losses[step]), `step ${step}`).toBeLessThan(1e-4);
  }, 300_000);
});
