/** What can go wrong where kernels write into tfjs's own buffers, between its own commands. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it } from 'vitest';
import { sub } from '../../src/compiler/expression.js';
import { defineRule } from '../../src/compiler/define-rule.js';
import { chooseExecutor } from '../../src/executors/choose.js';
import { AdamW, RotationalAdamW, RuleOptimizer, rrc } from '../../src/optimizers/index.js';
import { UpdateProbe } from '../../src/probes/index.js';
import { numbers } from '../executors/tools.js';
import { countCalls, type CallCounter } from './support/counters.js';
import { restartWebGPU, throwIfErrors } from './support/dawn.js';
import { describeWebGPU } from './support/vitest.js';
import {
  backend,
  bufferOf,
  descent,
  makeAdamW,
  makeDescent,
  step,
  submit,
  valuesOf,
  variableOf,
  withLimits,
} from './tools.js';

/** Runs a step of `w - 0.5 g` on one variable. */
function descend(variable: tf.Variable, gradient: tf.Tensor): void {
  const optimizer = makeDescent();
  step(optimizer, [variable, gradient]);
  optimizer.dispose();
}

describeWebGPU('values that tfjs keeps on the CPU', () => {
  it('are not those from before a step', async () => {
    const [w, g] = [variableOf([1, 2, 3]), tf.tensor1d([2, 4, 6])];
    const optimizer = makeDescent();
    for (const expected of [
      [0, 0, 0],
      [-1, -2, -3],
      [-2, -4, -6],
    ]) {
      await w.data();
      step(optimizer, [w, g]);
      expect(await valuesOf(w)).toEqual(expected);
    }
    optimizer.dispose();
    tf.dispose([w, g]);
  });

  it('are not those of a read that was pending when the step came', async () => {
    const [w, g] = [variableOf([1, 2, 3]), tf.tensor1d([2, 4, 6])];
    // On the GPU alone, so that the first read is pending too.
    backend().uploadToGPU(w.dataId);
    const optimizer = makeDescent();
    for (const [before, after] of [
      [
        [1, 2, 3],
        [0, 0, 0],
      ],
      [
        [0, 0, 0],
        [-1, -2, -3],
      ],
    ]) {
      const pending = w.data();
      step(optimizer, [w, g]);
      expect([...(await pending)]).toEqual(before);
      expect(await valuesOf(w)).toEqual(after);
      expect(await valuesOf(tf.tidy(() => tf.mul(w, 2)))).toEqual(after.map((value) => 2 * value));
    }
    optimizer.dispose();
    tf.dispose([w, g]);
  });
});

describeWebGPU('data that others share', () => {
  const storage = (): number =>
    GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const external = (values: readonly number[], words = values.length): GPUBuffer => {
    const buffer = backend().device.createBuffer({ size: 4 * words, usage: storage() });
    backend().device.queue.writeBuffer(buffer, 0, Float32Array.from(values));
    return buffer;
  };
  const read = async (buffer: GPUBuffer): Promise<number[]> => {
    const copy = tf.tensor({ buffer }, [buffer.size / 4], 'float32');
    const values = await valuesOf(copy);
    copy.dispose();
    return values;
  };

  const sharings: Record<string, (w: tf.Variable) => tf.Tensor> = {
    'a clone': (w) => w.clone(),
    'a reshape': (w) => w.reshape([2, 2]),
    'a variable that it started': (w) => tf.variable(w),
  };
  describe.each(['webgpu', 'cpu', 'wasm'])('on %s', (home) => {
    it.each(Object.entries(sharings))('%s keeps its values', async (_, share) => {
      await tf.setBackend(home);
      const [w, g] = [variableOf([1, 2, 3, 4]), tf.tensor1d([2, 2, 2, 2])];
      const shared = share(w);
      await tf.setBackend('webgpu');
      descend(w, g);
      expect(await valuesOf(w)).toEqual([0, 1, 2, 3]);
      expect(await valuesOf(shared)).toEqual([1, 2, 3, 4]);
      tf.dispose([w, g, shared]);
    });

    it('a tensor from which two variables were made keeps its values, and so does each of them', async () => {
      await tf.setBackend(home);
      const init = tf.tensor1d([1, 2, 3, 4]);
      const [u, v] = [tf.variable(init), tf.variable(init)];
      const [g, h] = [tf.tensor1d([2, 2, 2, 2]), tf.tensor1d([4, 4, 4, 4])];
      await tf.setBackend('webgpu');
      const optimizer = makeDescent();
      // In one dispatch: a buffer bound twice would drop all of it.
      step(optimizer, [u, g], [v, h]);
      step(optimizer, [u, g], [v, h]);
      expect(await valuesOf(u)).toEqual([-1, 0, 1, 2]);
      expect(await valuesOf(v)).toEqual([-3, -2, -1, 0]);
      expect(await valuesOf(init)).toEqual([1, 2, 3, 4]);
      optimizer.dispose();
      tf.dispose([u, v, g, h, init]);
    });
  });

  it('a buffer of the user keeps its values', async () => {
    const buffer = external([1, 2, 3, 4]);
    const w = tf.tidy(() => tf.variable(tf.tensor({ buffer, zeroCopy: true }, [4], 'float32')));
    const g = tf.tensor1d([2, 2, 2, 2]);
    descend(w, g);
    expect(await valuesOf(w)).toEqual([0, 1, 2, 3]);
    expect(await read(buffer)).toEqual([1, 2, 3, 4]);
    tf.dispose([w, g]);
    buffer.destroy();
  });

  it('buffers that are larger than their tensors are bound with the size of the tensor', async () => {
    const [buffer, gradient] = [external([1, 2, 3, 4, 5, 6], 64), external([2, 4, 6, 7, 7, 7], 64)];
    const w = tf.tidy(() => tf.variable(tf.tensor({ buffer }, [3], 'float32')));
    const g = tf.tensor({ buffer: gradient, zeroCopy: true }, [3], 'float32');
    const longer = tf.tensor({ buffer: gradient, zeroCopy: true }, [4], 'float32');
    const wider = variableOf([1, 2, 3, 4]);
    expect(bufferOf(w).size).toBe(256);
    const { device } = backend();
    const createBindGroup = device.createBindGroup.bind(device);
    const sizes = new Map<GPUBuffer, (number | undefined)[]>();
    device.createBindGroup = (descriptor) => {
      for (const { resource } of descriptor.entries) {
        const { buffer: bound, size } = resource as GPUBufferBinding;
        sizes.set(bound, [...(sizes.get(bound) ?? []), size]);
      }
      return createBindGroup(descriptor);
    };
    const optimizer = makeDescent();
    step(optimizer, [w, g]);
    // The same buffer again, now as a longer tensor.
    step(optimizer, [wider, longer]);
    step(optimizer, [w, g]);
    Reflect.deleteProperty(device, 'createBindGroup');
    expect(new Set(sizes.get(bufferOf(w)))).toEqual(new Set([12]));
    expect(sizes.get(gradient)).toEqual([12, 16]);
    expect((await valuesOf(w)).slice(0, 3)).toEqual([-1, -2, -3]);
    expect(await valuesOf(wider)).toEqual([0, 0, 0, 0.5]);
    expect((await read(gradient)).slice(0, 6)).toEqual([2, 4, 6, 7, 7, 7]);
    optimizer.dispose();
    tf.dispose([w, g, longer, wider]);
    buffer.destroy();
    gradient.destroy();
  });
});

describeWebGPU('gradients', () => {
  it('may share a buffer, and keep their values', async () => {
    const [a, b, c, d] = Array.from({ length: 4 }, () => variableOf([1, 2, 3, 4]));
    const g = tf.tensor1d([2, 4, 6, 8]);
    const [clone, reshape] = [g.clone(), g.reshape([2, 2]).reshape([4])];
    const optimizer = new AdamW({ learningRate: 0.5, clipNorm: 1 });
    for (let i = 0; i < 3; i++) step(optimizer, [a, g], [b, clone], [c, reshape], [d, g]);
    const values = await valuesOf(a);
    expect(values[0]).toBeLessThan(0);
    for (const variable of [b, c, d]) expect(await valuesOf(variable)).toEqual(values);
    expect(await valuesOf(g)).toEqual([2, 4, 6, 8]);
    optimizer.dispose();
    tf.dispose([a, b, c, d, g, clone, reshape]);
  });

  it('come out of the backward pass with shared data', async () => {
    const [u, q] = [variableOf([1, 2]), variableOf([3, 4])];
    const optimizer = makeDescent();
    for (let i = 0; i < 2; i++)
      optimizer.minimize(() => tf.sum(tf.mul(tf.add(u, q), [2, 4])), false, [u, q]);
    expect(await valuesOf(u)).toEqual([-1, -2]);
    expect(await valuesOf(q)).toEqual([1, 0]);
    optimizer.dispose();
    tf.dispose([u, q]);
  });

  it('may be the data of a variable of the same step, as they are before it', async () => {
    const [a, b, c] = [variableOf([1, 2]), variableOf([8, 6]), variableOf([4, 4])];
    const clone = c.clone();
    const optimizer = makeDescent();
    step(optimizer, [a, b], [b, a], [c, clone]);
    expect(await valuesOf(a)).toEqual([-3, -1]);
    expect(await valuesOf(b)).toEqual([7.5, 5]);
    expect(await valuesOf(c)).toEqual([2, 2]);
    expect(await valuesOf(clone)).toEqual([4, 4]);
    const { numTensors } = tf.memory();
    step(optimizer, [a, a]);
    expect(await valuesOf(a)).toEqual([-1.5, -0.5]);
    expect(tf.memory().numTensors).toBe(numTensors);
    optimizer.dispose();
    tf.dispose([a, b, c, clone]);
  });

  it('may come fresh from the CPU at each step', async () => {
    const variables = Array.from({ length: 7 }, (_, i) =>
      variableOf(numbers(5 + i, i).map((x) => Math.round(8 * x))),
    );
    const expected = await Promise.all(variables.map(valuesOf));
    const optimizer = makeDescent();
    for (let t = 0; t < 5; t++) {
      const gradients = variables.map(({ size }, i) =>
        tf.tensor(numbers(size, 100 * t + i).map((x) => 2 * Math.round(8 * x))),
      );
      for (const [i, g] of gradients.entries())
        for (const [k, value] of (await g.data()).entries()) expected[i][k] -= 0.5 * value;
      step(optimizer, ...variables.map((variable, i) => [variable, gradients[i]] as const));
      tf.dispose(gradients);
    }
    for (const [i, variable] of variables.entries())
      expect(await valuesOf(variable)).toEqual(expected[i]);
    optimizer.dispose();
    tf.dispose(variables);
  });

  it.each(['cpu', 'wasm'])('and variables may be on the %s backend', async (home) => {
    expect(await tf.setBackend(home)).toBe(true);
    // What an operation gives is nowhere but on that backend.
    const made = (values: number[]): tf.Tensor => tf.tidy(() => tf.mul(tf.tensor1d(values), 2));
    const [u, v] = [
      tf.tidy(() => tf.variable(made([1, 2, 3]))),
      tf.tidy(() => tf.variable(made([4, 5]))),
    ];
    const [g, h] = [made([2, 4, 6]), made([8, 8])];
    expect(await tf.setBackend('webgpu')).toBe(true);
    const optimizer = makeDescent();
    for (let i = 0; i < 2; i++) step(optimizer, [u, g], [v, h]);
    expect(await valuesOf(u)).toEqual([-2, -4, -6]);
    expect(await valuesOf(v)).toEqual([-8, -6]);
    optimizer.dispose();
    tf.dispose([u, v, g, h]);
  });

  it('are not recycled before the step is submitted', async () => {
    const [w, g] = [
      variableOf([1, 2, 3, 4, 5]),
      tf.tidy(() => tf.mul(tf.tensor1d([1, 2, 3, 4, 5]), 2)),
    ];
    const optimizer = makeDescent();
    step(optimizer, [w, g]);
    submit();
    step(optimizer, [w, g]);
    const buffer = bufferOf(g);
    g.dispose();
    const next = tf.tidy(() => tf.mul(tf.tensor1d([9, 9, 9, 9, 9]), 2));
    backend().uploadToGPU(next.dataId);
    expect(bufferOf(next)).not.toBe(buffer);
    expect(await valuesOf(w)).toEqual([-1, -2, -3, -4, -5]);
    optimizer.dispose();
    tf.dispose([w, next]);
  });
});

describeWebGPU('variables', () => {
  it('that are disposed before their step is submitted give their memory to nobody until then', async () => {
    const [w, g] = [variableOf([1, 2, 3, 4, 5]), tf.tensor1d([2, 2, 2, 2, 2])];
    const optimizer = makeDescent();
    step(optimizer, [w, g]);
    submit();
    step(optimizer, [w, g]);
    const buffer = bufferOf(w);
    w.dispose();
    const next = tf.tensor1d([9, 9, 9, 9, 9]);
    backend().uploadToGPU(next.dataId);
    expect(bufferOf(next)).not.toBe(buffer);
    expect(await valuesOf(tf.tidy(() => tf.mul(next, 2)))).toEqual([18, 18, 18, 18, 18]);
    optimizer.dispose();
    tf.dispose([g, next]);
  });
});

describeWebGPU('steps that wait to be submitted', () => {
  let counter: CallCounter | undefined;
  const flag = 'WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE';
  const usual = 15;
  afterEach(() => {
    counter?.stop();
    tf.env().set(flag, usual);
  });

  it.each([
    ['as many as tfjs lets wait', [usual]],
    ['more than tfjs let wait when the optimizer started', [usual, 64]],
    ['fewer', [usual, 2]],
  ])('keep their own scalars: %s', async (_, batches) => {
    const [w, g] = [variableOf([0, 0, 0]), tf.tensor1d([1, 2, 4])];
    const rates = (t: number): number => 2 ** -(t % 11);
    const optimizer = makeDescent(rates);
    const steps = 100;
    step(optimizer, [w, g]);
    submit();
    counter = countCalls(backend().device);
    for (const batch of batches) {
      tf.env().set(flag, batch);
      for (let t = 0; t < steps; t++) step(optimizer, [w, g]);
      const { dispatches, submits } = counter.since();
      expect(dispatches).toBe(steps);
      expect(submits).toBeLessThanOrEqual(Math.ceil((usual + steps) / batch));
    }
    let total = 0;
    for (let t = 0; t <= batches.length * steps; t++) total += rates(t);
    expect(await valuesOf(w)).toEqual([-total, -2 * total, -4 * total]);
    optimizer.dispose();
    tf.dispose([w, g]);
  });
});

describeWebGPU('sizes', () => {
  it('of no element, of one and odd ones are all right', async () => {
    const sizes = [0, 1, 2, 3, 5, 7, 63, 65, 255, 257, 1023, 1025, 4099];
    const variables = sizes.map((size) => variableOf(new Float32Array(size).map((_, i) => i % 17)));
    const gradients = sizes.map((size) =>
      tf.tensor1d(new Float32Array(size).map((_, i) => 2 * (i % 5))),
    );
    const guard = variableOf([1, 1, 1]);
    const optimizer = makeDescent();
    for (let i = 0; i < 2; i++)
      step(optimizer, ...variables.map((variable, k) => [variable, gradients[k]] as const));
    for (const [k, variable] of variables.entries())
      expect(await valuesOf(variable)).toEqual(
        Array.from({ length: sizes[k] }, (_, i) => (i % 17) - 2 * (i % 5)),
      );
    const empty = makeDescent();
    step(empty, [variables[0], gradients[0]]);
    expect(await valuesOf(guard)).toEqual([1, 1, 1]);
    optimizer.dispose();
    empty.dispose();
    tf.dispose([variables, gradients, guard]);
  });

  it('of 4,300,003 elements are all right', async () => {
    const size = 4_300_003;
    const values = new Float32Array(size).map((_, i) => ((i * 7) % 1009) / 512 - 1);
    const slopes = new Float32Array(size).map((_, i) => ((i * 11) % 1013) / 256 - 2);
    const w = variableOf(values, [1, size]);
    const g = tf.tensor(slopes, [1, size]);
    const optimizer = new AdamW({ learningRate: 0.125, weightDecay: 0.5 });
    step(optimizer, [w, g]);
    const result = await w.data();
    expect(result.length).toBe(size);
    let difference = 0;
    for (let i = 0; i < size; i += i < size - 5000 ? 997 : 1) {
      const expected =
        values[i] * (1 - 0.125 * 0.5) - (0.125 * slopes[i]) / (Math.abs(slopes[i]) + 1e-8);
      difference = Math.max(difference, Math.abs(result[i] - expected));
    }
    expect(difference).toBeLessThan(5e-7);
    optimizer.dispose();
    tf.dispose([w, g]);
  });

  it("that differ much within a dispatch leave each other's sums alone", async () => {
    const gradients = [13_000, 5, 3].map((size, i) => tf.tensor1d(numbers(size, i)));
    const variables = gradients.map(({ size }) => variableOf(new Float32Array(size)));
    const optimizer = new RuleOptimizer({ rule: descent, learningRate: 1, clipNorm: 1 });
    step(optimizer, ...variables.map((variable, k) => [variable, gradients[k]] as const));
    const slopes = await Promise.all(gradients.map(valuesOf));
    const norm = Math.sqrt(slopes.flat().reduce((sum, x) => sum + x * x, 0));
    for (const [k, variable] of variables.entries()) {
      const values = await valuesOf(variable);
      expect(
        Math.max(...values.map((value, i) => Math.abs(value + slopes[k][i] / norm))),
      ).toBeLessThan(1e-7);
    }
    optimizer.dispose();
    tf.dispose([variables, gradients]);
  });

  it('of more workgroups than a dimension of a dispatch may have are all right', async () => {
    const shapes = [[13, 600], [700, 9], [9000], [3]];
    const train = async (): Promise<number[][]> => {
      const variables = shapes.map((shape, i) =>
        variableOf(numbers(tf.util.sizeFromShape(shape), i), shape),
      );
      const gradients = shapes.map((shape, i) =>
        tf.tensor(numbers(tf.util.sizeFromShape(shape), 50 + i), shape),
      );
      const optimizer = new RotationalAdamW({ learningRate: 0.01, weightDecay: 0.1, clipNorm: 1 });
      optimizer.prepare(variables);
      for (let i = 0; i < 2; i++)
        step(optimizer, ...variables.map((variable, k) => [variable, gradients[k]] as const));
      const values = await Promise.all(variables.map(valuesOf));
      optimizer.dispose();
      tf.dispose([variables, gradients]);
      return values;
    };
    const expected = await train();
    const dispatched: number[][] = [];
    await withLimits({ maxComputeWorkgroupsPerDimension: 4 }, async () => {
      const { prototype } = GPUComputePassEncoder;
      const original = prototype.dispatchWorkgroups;
      prototype.dispatchWorkgroups = function (...counts) {
        dispatched.push(counts as number[]);
        return original.apply(this, counts);
      };
      expect(await train()).toEqual(expected);
      prototype.dispatchWorkgroups = original;
    });
    expect(Math.max(...dispatched.map(([x]) => x))).toBeLessThanOrEqual(4);
    expect(Math.max(...dispatched.map(([, y]) => y))).toBeGreaterThan(4);
  });
});

describeWebGPU('memory of the optimizer', () => {
  it('is zero at first, whatever was in the GPU memory before', async () => {
    const train = async (): Promise<number[]> => {
      const [w, g] = [variableOf(numbers(333, 1)), tf.tensor1d(numbers(333, 2))];
      const optimizer = makeAdamW();
      for (let i = 0; i < 3; i++) step(optimizer, [w, g]);
      const values = await valuesOf(w);
      optimizer.dispose();
      tf.dispose([w, g]);
      return values;
    };
    const first = await train();
    // Buffers of the same size as the slots, left full of large numbers.
    tf.tidy(() => {
      for (let i = 0; i < 4; i++) backend().uploadToGPU(tf.mul(tf.fill([666], 1e30), 2).dataId);
    });
    submit();
    expect(await train()).toEqual(first);
  });

  it('is filled from tensors whose memory nobody gets before the copy is submitted', async () => {
    const doubled = (values: number[]): tf.Tensor => {
      const tensor = tf.tidy(() => tf.mul(tf.tensor1d(values), 2));
      backend().uploadToGPU(tensor.dataId);
      return tensor;
    };
    const executor = chooseExecutor('auto');
    const { total } = executor.create('filled', { total: [5] });
    const values = doubled([1, 2, 3, 4, 5]);
    const buffer = bufferOf(values);
    submit();
    executor.write(total, values);
    values.dispose();
    const next = doubled([9, 9, 9, 9, 9]);
    expect(bufferOf(next)).not.toBe(buffer);
    const slot = executor.read(total);
    expect(await valuesOf(slot)).toEqual([2, 4, 6, 8, 10]);
    executor.dispose();
    tf.dispose([slot, next]);
  });

  it('keeps its content as it grows', async () => {
    const [u, v] = [variableOf([0, 0, 0]), variableOf(new Float32Array(3000))];
    const [g, h] = [tf.tensor1d([1, 2, 3]), tf.ones([3000])];
    const optimizer = makeDescent();
    step(optimizer, [u, g]);
    step(optimizer, [u, g], [v, h]);
    step(optimizer, [u, g], [v, h]);
    const totals = Object.fromEntries(
      (await optimizer.getWeights()).map(({ name, tensor }) => [name, tensor]),
    );
    expect(await valuesOf(totals[`${u.name}/total`])).toEqual([3, 6, 9]);
    expect(await valuesOf(totals[`${v.name}/total`])).toEqual(
      Array.from({ length: 3000 }, () => 2),
    );
    optimizer.dispose();
    tf.dispose([u, v, g, h, totals]);
  });

  const shapes = [[300], [10, 20], [400], [30], [15, 4]];
  const train = async (immediate: boolean): Promise<number[][]> => {
    const variables = shapes.map((shape, i) =>
      variableOf(numbers(tf.util.sizeFromShape(shape), i), shape),
    );
    const gradients = shapes.map((shape, i) =>
      tf.tensor(numbers(tf.util.sizeFromShape(shape), 50 + i), shape),
    );
    const optimizer = new AdamW({
      learningRate: 0.01,
      weightDecay: 0.1,
      clipNorm: 1,
      rrc: rrc({ immediate }),
    });
    try {
      for (let i = 0; i < 3; i++)
        step(optimizer, ...variables.map((variable, k) => [variable, gradients[k]] as const));
      return await Promise.all(variables.map(valuesOf));
    } finally {
      optimizer.dispose();
      tf.dispose([variables, gradients]);
    }
  };

  it('is spread over several buffers where the device cannot bind one', async () => {
    const expected = await train(false);
    // The two slots of 400 elements and the five single values of their variable are 805 words.
    const limit = 4 * 900;
    await withLimits({ maxStorageBufferBindingSize: limit }, async () => {
      const { device } = backend();
      const createBuffer = device.createBuffer.bind(device);
      const arenas: number[] = [];
      device.createBuffer = (descriptor) => {
        if (descriptor.label === 'tfjs-warmup state') arenas.push(descriptor.size);
        return createBuffer(descriptor);
      };
      expect(await train(false)).toEqual(expected);
      Reflect.deleteProperty(device, 'createBuffer');
      expect(arenas.length).toBeGreaterThan(1);
      expect(Math.max(...arenas)).toBeLessThanOrEqual(limit);
    });
  });

  it('gives readings and the factor of a clipped step from several buffers as from one', async () => {
    const readings = async (): Promise<unknown> => {
      const pairs = [700, 650, 3].map(
        (size, i) =>
          [
            variableOf(numbers(size, i + 1), [size], `read${i}`),
            tf.tensor1d(numbers(size, i + 9)),
          ] as const,
      );
      const probe = new UpdateProbe({ metrics: ['updateNorm', 'gradientNorm'] });
      const optimizer = new AdamW({ learningRate: 0.01, clipNorm: 1, probe });
      for (let i = 0; i < 2; i++) step(optimizer, ...pairs);
      const read = await probe.read();
      optimizer.dispose();
      tf.dispose(pairs.flat());
      return read;
    };
    const expected = (await readings()) as {
      clipCoefficient: number;
      variables: Record<string, { gradientNorm: number }>;
    }[];
    expect(expected[1].clipCoefficient).toBeGreaterThan(0);
    expect(expected[1].clipCoefficient).toBeLessThan(1);
    expect(Object.values(expected[1].variables).every(({ gradientNorm }) => gradientNorm > 0)).toBe(
      true,
    );
    await withLimits({ maxStorageBufferBindingSize: 4 * 2000 }, async () =>
      expect(await readings()).toEqual(expected),
    );
  });

  it('that does not fit what the device binds is a clear error', async () => {
    await withLimits({ maxStorageBufferBindingSize: 4 * 900 }, () =>
      expect(train(true)).rejects.toThrow(
        /a step needs \d+ bytes in one buffer; this device binds at most 3600/,
      ),
    );
    await withLimits({ maxStorageBufferBindingSize: 4 * 800 }, () =>
      expect(train(false)).rejects.toThrow(
        /the state of 'variable\d+' needs 3220 bytes in one buffer; this device binds at most 3200/,
      ),
    );
    await withLimits({ maxStorageBufferBindingSize: 4 * 400 }, async () => {
      const [w, g] = [variableOf(new Float32Array(401)), tf.ones([401])];
      const optimizer = new RuleOptimizer({
        rule: defineRule({ name: 'plain', update: ({ w, g }) => ({ w: sub(w, g) }) }),
        learningRate: 1,
      });
      expect(() => step(optimizer, [w, g])).toThrow(
        `the variable '${w.name}' has 1604 bytes; this device binds at most 1600`,
      );
      optimizer.dispose();
      tf.dispose([w, g]);
    });
  });
});

describeWebGPU('a device', () => {
  it('has its own pipelines: training goes on after it was lost, and work that needs it says so', async () => {
    const [values, slopes] = [numbers(40, 1), numbers(40, 2)];
    const make = () => [variableOf(values), tf.tensor1d(slopes)] as const;

    const [whole, slope] = make();
    const uninterrupted = makeAdamW();
    for (let i = 0; i < 4; i++) step(uninterrupted, [whole, slope]);
    const expected = await valuesOf(whole);
    uninterrupted.dispose();
    tf.dispose([whole, slope]);

    const [w, g] = make();
    const optimizer = makeAdamW();
    for (let i = 0; i < 2; i++) step(optimizer, [w, g]);
    const saved = await Promise.all(
      (await optimizer.getWeights()).map(async ({ name, tensor }) => ({
        name,
        values: (await tensor.data()).slice(),
        shape: tensor.shape,
        dtype: tensor.dtype,
      })),
    );
    const halfway = await valuesOf(w);
    // On its way to the GPU when the device goes.
    step(optimizer, [w, g]);
    const { device } = backend();
    device.destroy();
    await device.lost;
    const clear = /the webgpu device is lost.*setWeights.*getWeights/;
    expect(() => step(optimizer, [w, g])).toThrow(clear);
    await expect(optimizer.getWeights()).rejects.toThrow(clear);

    await restartWebGPU();
    expect(backend().device).not.toBe(device);
    expect(() => step(optimizer, [w, g])).toThrow(clear);
    const [next, gradient] = [variableOf(halfway, [40], `${w.name}_1`), tf.tensor1d(slopes)];
    const weights = saved.map(({ name, values: data, shape, dtype }) => ({
      name,
      tensor: tf.tensor(data, shape, dtype),
    }));
    await optimizer.setWeights(weights);
    for (let i = 0; i < 2; i++) step(optimizer, [next, gradient]);
    expect(await valuesOf(next)).toEqual(expected);
    optimizer.dispose();
    tf.dispose([next, gradient, ...weights.map(({ tensor }) => tensor)]);
    await throwIfErrors();
  });

  it('that is lost takes readings along that nobody has fetched: a clear error says so', async () => {
    const [w, g] = [variableOf([1, 2]), tf.tensor1d([1, 2])];
    const probe = new UpdateProbe({ metrics: ['updateNorm'] });
    const optimizer = new AdamW({ learningRate: 0.01, probe });
    step(optimizer, [w, g]);
    const { device } = backend();
    // One that is on its way when the device goes, and one that is asked for after.
    const pending = probe.read();
    const told = expect(pending).rejects.toThrow(/the readings of a step cannot be fetched: .*/);
    step(optimizer, [w, g]);
    device.destroy();
    await device.lost;
    await told;
    await expect(probe.read()).rejects.toThrow(
      /the readings of a step cannot be fetched: the device that holds them is lost/,
    );
    optimizer.dispose();
    await restartWebGPU();
  });

  it('that goes at once, without a word, leaves no error but the clear one', async () => {
    const [w, g] = [variableOf([1, 2]), tf.tensor1d([1, 2])];
    const optimizer = makeDescent();
    step(optimizer, [w, g]);
    const { device } = backend();
    device.destroy();
    // The loss is told in a promise: until then a step has no way to know.
    optimizer.dispose();
    await device.lost;
    await restartWebGPU();
    const [next, gradient] = [variableOf([1, 2]), tf.tensor1d([2, 4])];
    descend(next, gradient);
    expect(await valuesOf(next)).toEqual([0, 0]);
    tf.dispose([next, gradient]);
  });
});
