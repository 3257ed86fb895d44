/**
 * The tools that the WebGPU tests stand on: the backend is what it says, errors surface, calls are
 * counted.
 */
import { afterEach, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { countCalls, type CallCounter } from './support/counters';
import { restartWebGPU, startWebGPU, stopWebGPU, takeErrors, throwIfErrors } from './support/dawn';
import { describeWebGPU } from './support/vitest';

const device = (): GPUDevice => (tf.backend() as WebGPUBackend).device;

describeWebGPU('webgpu in node', () => {
  it('is the current backend, on a real device', async () => {
    expect(tf.getBackend()).toBe('webgpu');
    expect(device().limits.maxStorageBuffersPerShaderStage).toBe(8);
    const product = tf.matMul(
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    );
    expect([...(await product.data())]).toEqual([19, 22, 43, 50]);
    expect((tf.backend() as WebGPUBackend).tensorMap.get(product.dataId).resource).toBeDefined();
    product.dispose();
  });

  it('differentiates', async () => {
    const x = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    const gradient = tf.grad((x) =>
      tf
        .matMul(x as tf.Tensor2D, [
          [1, 2],
          [3, 4],
        ])
        .square()
        .sum(),
    )(x);
    expect([...(await gradient.data())]).toEqual([54, 122, 118, 266]);
    tf.dispose([x, gradient]);
  });

  it('starts once, and again after a stop or a lost device', async () => {
    const first = device();
    expect(await startWebGPU()).toBe(first);
    stopWebGPU();
    const second = await startWebGPU();
    expect(second).not.toBe(first);
    second.destroy();
    const third = await restartWebGPU();
    expect(third).not.toBe(second);
    expect(await tf.tensor1d([1, 2]).add(1).data()).toEqual(new Float32Array([2, 3]));
  });
});

describeWebGPU('uncaptured GPU errors', () => {
  const shader = (code: string): GPUComputePipeline =>
    device().createComputePipeline({
      layout: 'auto',
      compute: { module: device().createShaderModule({ code }) },
    });

  it('fail a test whose shader does not compile', async () => {
    shader('@compute @workgroup_size(1) fn main() { let x: f32 = true; }');
    await expect(throwIfErrors()).rejects.toThrow(/uncaptured GPU error.*\n?.*bool/s);
    await expect(throwIfErrors()).resolves.toBeUndefined();
  });

  it('fail a test that binds a written buffer twice', async () => {
    const pipeline = shader(`
      @group(0) @binding(0) var<storage, read_write> a: array<f32>;
      @group(0) @binding(1) var<storage, read> b: array<f32>;
      @compute @workgroup_size(1) fn main() { a[0] = b[0]; }`);
    const buffer = device().createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE });
    const entries = [0, 1].map((binding) => ({ binding, resource: { buffer } }));
    const encoder = device().createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      device().createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }),
    );
    pass.dispatchWorkgroups(1);
    pass.end();
    device().queue.submit([encoder.finish()]);
    await device().queue.onSubmittedWorkDone();
    expect(takeErrors().join()).toMatch(/writable usage/);
    buffer.destroy();
  });

  it('are not reported for a device that a test destroys', async () => {
    const destroyed = device();
    destroyed.destroy();
    await destroyed.lost;
    await restartWebGPU();
    await expect(throwIfErrors()).resolves.toBeUndefined();
  });
});

describeWebGPU('counters', () => {
  let counter: CallCounter | undefined;
  afterEach(() => counter?.stop());

  it('count what a step of tf.train.adam asks for', async () => {
    const variables = Array.from({ length: 40 }, (_, i) => tf.variable(tf.ones([7 + i])));
    const gradients = Object.fromEntries(
      variables.map(({ name, shape }) => [name, tf.ones(shape) as tf.Variable]),
    );
    const adam = tf.train.adam(0.01);
    for (let step = 0; step < 2; step++) adam.applyGradients(gradients);
    await throwIfErrors();
    counter = countCalls(device());
    adam.applyGradients(gradients);
    const { dispatches, submits, bindGroups, copies, computePasses } = counter.since();
    expect(dispatches).toBeGreaterThan(10 * variables.length);
    expect(bindGroups).toBe(dispatches);
    expect(submits).toBeGreaterThan(variables.length / 2);
    expect(computePasses).toBeGreaterThanOrEqual(submits);
    expect(copies).toBeGreaterThan(variables.length);
    expect(counter.since().dispatches).toBe(0);
    tf.dispose([variables, Object.values(gradients)]);
    adam.dispose();
  });

  it('count uploads, maps and the buffers that live', async () => {
    counter = countCalls(device());
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = device().createBuffer({ size: 64, usage });
    const mapped = device().createBuffer({
      size: 64,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    device().queue.writeBuffer(buffer, 0, new Float32Array(16));
    device().queue.writeBuffer(buffer, 0, new Float32Array(16), 4);
    device().queue.writeBuffer(buffer, 0, new Float32Array(16), 4, 2);
    device().queue.writeBuffer(buffer, 0, new ArrayBuffer(16), 4, 8);
    await mapped.mapAsync(GPUMapMode.READ);
    expect(counter.live()).toEqual({ buffers: 2, bytes: 128 });
    buffer.destroy();
    buffer.destroy();
    mapped.destroy();
    expect(counter.since()).toMatchObject({
      buffersCreated: 2,
      buffersDestroyed: 2,
      writes: 4,
      bytesWritten: 64 + 48 + 8 + 8,
      maps: 1,
    });
    expect(counter.live()).toEqual({ buffers: 0, bytes: 0 });
    counter.stop();
    device().createBuffer({ size: 64, usage }).destroy();
    expect(counter.since().buffersCreated).toBe(0);
  });
});
