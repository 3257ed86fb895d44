/**
 * The webgpu executor as a user meets it: backends that change, state that is saved, model.fit, and
 * what goes wrong.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, expect, it, vi } from 'vitest';
import { sub } from '../../src/compiler/expression.js';
import { layoutOf } from '../../src/compiler/layout.js';
import type { Plan } from '../../src/compiler/plan.js';
import { gradientBuffer, planUpdate, variableBuffer } from '../../src/compiler/program.js';
import { defineRule } from '../../src/compiler/define-rule.js';
import { chooseExecutor } from '../../src/executors/choose.js';
import { isWebGPUBackend } from '../../src/executors/webgpu-bridge.js';
import { AdamW, Lion, RotationalAdamW, type FusedOptimizer } from '../../src/optimizers/index.js';
import { blocksLeft, numbers } from '../executors/tools.js';
import { takeErrors } from './support/dawn.js';
import { describeWebGPU } from './support/vitest.js';
import { backend, makeAdamW, step, valuesOf, variableOf } from './tools.js';

const shapes = [[37, 5], [40], [3, 3]];
const initial = shapes.map((shape, i) => numbers(tf.util.sizeFromShape(shape), i));
const gradientOf = (t: number, i: number): tf.Tensor =>
  tf.tensor(numbers(initial[i].length, 10 + 10 * t + i), shapes[i]);
const makeVariables = (names?: readonly string[]): tf.Variable[] =>
  shapes.map((shape, i) => variableOf(initial[i], shape, names?.[i]));

/** Steps `from` to `to` with gradients that belong to the step. */
function train(
  optimizer: FusedOptimizer,
  variables: readonly tf.Variable[],
  from: number,
  to: number,
): void {
  for (let t = from; t < to; t++) {
    const updates = variables.map((variable, i) => [variable, gradientOf(t, i)] as const);
    step(optimizer, ...updates);
    for (const [, gradient] of updates) gradient.dispose();
  }
}

async function results(variables: readonly tf.Variable[]): Promise<number[][]> {
  return Promise.all(variables.map(valuesOf));
}

const difference = (a: number[][], b: number[][]): number =>
  Math.max(...a.flat().map((value, i) => Math.abs(value - b.flat()[i])));

describeWebGPU('state on the GPU', () => {
  it.each<[string, () => FusedOptimizer]>([
    ['AdamW', makeAdamW],
    ['Lion', () => new Lion({ learningRate: 0.001 })],
    ['RotationalAdamW', () => new RotationalAdamW({ learningRate: 0.01, weightDecay: 0.1 })],
  ])('of %s is saved and loaded: the same bits as without interruption', async (_, make) => {
    const names = shapes.map((_, i) => `${make.name}${_}${i}`);
    const variables = makeVariables(names);
    const whole = make();
    whole.prepare(variables);
    train(whole, variables, 0, 6);
    const expected = await results(variables);
    whole.dispose();
    tf.dispose(variables);

    const resumed = makeVariables(names);
    const first = make();
    first.prepare(resumed);
    train(first, resumed, 0, 3);
    const saved = await first.getWeights();
    first.dispose();
    const second = make();
    await second.setWeights(saved);
    tf.dispose(saved.map(({ tensor }) => tensor));
    train(second, resumed, 3, 6);
    expect(second.executorName).toBe('webgpu');
    expect(await results(resumed)).toEqual(expected);
    second.dispose();
    tf.dispose(resumed);
  });

  it.each(['cpu', 'wasm'])('comes along from the %s backend', async (home) => {
    expect(await tf.setBackend(home)).toBe(true);
    const [variables, others] = [makeVariables(), makeVariables()];
    const reference = makeAdamW();
    train(reference, others, 0, 6);
    const expected = await results(others);
    reference.dispose();

    const optimizer = makeAdamW();
    train(optimizer, variables, 0, 3);
    expect(optimizer.executorName).toBe('wasm');
    expect(await tf.setBackend('webgpu')).toBe(true);
    train(optimizer, variables, 3, 6);
    expect(optimizer.executorName).toBe('webgpu');
    expect(difference(await results(variables), expected)).toBeLessThan(1e-6);
    optimizer.dispose();
    tf.dispose([variables, others]);
  });

  it.each(['cpu', 'wasm'])(
    'cannot be moved to the %s backend at once, says so, and how',
    async (away) => {
      const variables = makeVariables();
      const optimizer = makeAdamW();
      train(optimizer, variables, 0, 3);
      const halfway = await results(variables);

      expect(await tf.setBackend(away)).toBe(true);
      const others = makeVariables();
      const clear =
        'state on the GPU cannot be moved to another backend at once; while webgpu is the ' +
        'backend, save it with getWeights and wait for the data() of its tensors, then change ' +
        'the backend and give them to setWeights';
      expect(() => train(optimizer, others, 0, 1)).toThrow(clear);
      await expect(optimizer.getWeights()).rejects.toThrow(clear);
      const attempt = (): void => expect(() => optimizer.executorName).toThrow(clear);
      if (away === 'wasm') expect(blocksLeft(attempt), 'what it leaves on the wasm heap').toBe(0);
      else attempt();

      // Back on webgpu nothing has happened, and the way that the error names works.
      expect(await tf.setBackend('webgpu')).toBe(true);
      const saved = await optimizer.getWeights();
      await Promise.all(saved.map(({ tensor }) => tensor.data()));
      train(optimizer, variables, 3, 5);
      const expected = await results(variables);
      tf.dispose([others]);
      expect(await tf.setBackend(away)).toBe(true);
      const moved = shapes.map((shape, i) =>
        variableOf(Float32Array.from(halfway[i]), shape, `${variables[i].name}_1`),
      );
      await optimizer.setWeights(saved);
      train(optimizer, moved, 3, 5);
      expect(optimizer.executorName).toBe('wasm');
      expect(difference(await results(moved), expected)).toBeLessThan(1e-6);
      await tf.setBackend('webgpu');
      optimizer.dispose();
      tf.dispose([variables, moved, saved.map(({ tensor }) => tensor)]);
    },
  );
});

describeWebGPU('model.fit', () => {
  it('trains on webgpu as with tfjs operations', async () => {
    const x = tf.tensor2d(numbers(64 * 6, 1), [64, 6]);
    const y = tf.tidy(() => tf.sum(x, 1, true).tanh());
    const fit = async (executor: 'auto' | 'ops'): Promise<number[]> => {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({
            units: 9,
            activation: 'tanh',
            inputShape: [6],
            kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
          }),
          tf.layers.dense({
            units: 1,
            kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }),
          }),
        ],
      });
      const optimizer = new AdamW({ learningRate: 0.02, executor });
      model.compile({ optimizer, loss: 'meanSquaredError' });
      const { history } = await model.fit(x, y, {
        epochs: 2,
        batchSize: 16,
        shuffle: false,
        verbose: 0,
        yieldEvery: 'never',
      });
      expect(optimizer.executorName).toBe(executor === 'auto' ? 'webgpu' : 'ops');
      optimizer.dispose();
      model.dispose();
      return history.loss as number[];
    };
    const losses = await fit('auto');
    const expected = await fit('ops');
    expect(losses[1]).toBeLessThan(losses[0]);
    losses.forEach((loss, epoch) => expect(loss).toBeCloseTo(expected[epoch], 5));
    tf.dispose([x, y]);
  });
});

describeWebGPU('a build of the backend that lacks what kernels need', () => {
  const members = [
    'device',
    'queue',
    'tensorMap',
    'commandEncoder',
    'computePassEncoder',
    'commandQueueOwnedIds',
    'dispatchCountInPass',
    'uploadToGPU',
    'ensureCommandEncoderReady',
    'endComputePassEncoder',
    'submitQueue',
    'refCount',
    'makeTensorInfo',
  ];
  afterEach(() => void vi.restoreAllMocks());

  it('is recognized by any member', () => {
    const all = Object.fromEntries(members.map((name) => [name, backend()[name as 'device']]));
    expect(isWebGPUBackend(all)).toBe(true);
    for (const missing of members) {
      const { [missing]: _, ...others } = all;
      expect(isWebGPUBackend(others), missing).toBe(false);
    }
  });

  it('gets tfjs operations, with one warning', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    // Nothing that tfjs needs for these steps.
    Object.defineProperty(backend(), 'refCount', { value: undefined, configurable: true });
    const variables = makeVariables();
    const optimizer = makeAdamW();
    const second = makeAdamW();
    expect([optimizer.executorName, second.executorName]).toEqual(['ops', 'ops']);
    train(optimizer, variables, 0, 2);
    const found = await results(variables);
    Reflect.deleteProperty(backend(), 'refCount');
    expect(warn.mock.calls.filter(([text]) => String(text).startsWith('tfjs-warmup:'))).toEqual([
      [
        'tfjs-warmup: no fused kernels, tfjs operations instead: ' +
          'this build of the webgpu backend lacks what kernels need',
      ],
    ]);
    const others = makeVariables();
    const fused = makeAdamW();
    expect(fused.executorName).toBe('webgpu');
    train(fused, others, 0, 2);
    expect(difference(await results(others), found)).toBeLessThan(1e-6);
    for (const one of [optimizer, second, fused]) one.dispose();
    tf.dispose([variables, others]);
  });
});

describeWebGPU('a shader that the device refuses', () => {
  /** WGSL has no operation of this name. */
  const broken = (name: string): Plan => ({
    name,
    scalars: [],
    writeScalars: (_, into) => into,
    buffers: [variableBuffer, gradientBuffer],
    stages: [
      {
        domain: 'element',
        instructions: [
          { op: 'load', buffer: gradientBuffer },
          { op: 'nonsense' as 'abs', args: [0] },
        ],
        stores: [{ buffer: variableBuffer, value: 1 }],
        sums: [],
      },
    ],
  });
  const layout = layoutOf('test', [3], 0);

  it('is an error at the next step with rule and source, for every optimizer that needs it', async () => {
    const [w, g] = [variableOf([1, 2, 3]), tf.tensor1d([1, 1, 1])];
    const [first, second] = [chooseExecutor('auto'), chooseExecutor('auto')];
    const job = { variable: w, gradient: g, slots: {}, plan: broken('mine'), layout, values: {} };
    for (const executor of [first, second]) executor.step([job]);
    // What any training loop waits for: the values of something.
    await w.data();
    for (const executor of [first, second]) {
      expect(() => executor.step([job])).toThrow(
        /^rule mine: the device refuses its shader: [^]*nonsense[^]*@compute @workgroup_size/,
      );
      executor.dispose();
    }
    // What was encoded with the broken pipeline is what the device complains about, not the shader.
    expect(takeErrors().join()).toMatch(/Invalid ComputePipeline "tfjs-warmup mine"/);
    expect(await valuesOf(w)).toEqual([1, 2, 3]);
    tf.dispose([w, g]);
  });
});

describeWebGPU('state for which the device has no memory', () => {
  // A GPU may have as much as it lets one bind; the software driver does not.
  it.skipIf(process.env.TFJS_WARMUP_VULKAN === 'system')(
    'is an error at the next step, with its size',
    async () => {
      const [w, g] = [variableOf([1, 2, 3]), tf.tensor1d([1, 1, 1])];
      const bytes = backend().device.limits.maxStorageBufferBindingSize;
      const executor = chooseExecutor('auto');
      const slots = executor.create(w.name, { huge: [bytes / 4] });
      const plan = planUpdate(
        defineRule({ name: 'plain', update: (values) => ({ w: sub(values.w, values.g) }) }),
        false,
      );
      const job = {
        variable: w,
        gradient: g,
        slots,
        plan,
        layout: layoutOf('test', [3], 0),
        values: {},
      };
      executor.step([job]);
      await w.data();
      expect(() => executor.step([job])).toThrow(
        new RegExp(
          `^the device has no memory for ${bytes} bytes of optimizer state in one buffer: .*`,
        ),
      );
      executor.dispose();
      // What was encoded with the buffer is what the device complains about, not the missing
      // memory.
      expect(takeErrors().join()).toMatch(/Invalid Buffer "tfjs-warmup state"/);
      expect(await valuesOf(w)).toEqual([1, 2, 3]);
      tf.dispose([w, g]);
    },
  );
});

describeWebGPU('half precision', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('is refused for an epsilon that would be 0, before anything changes', async () => {
    vi.spyOn(backend(), 'floatPrecision').mockReturnValue(16 as 32);
    const variables = makeVariables();
    const before = await results(variables);
    const optimizer = new AdamW({ learningRate: 0.01, epsilon: 1e-8 });
    expect(() => train(optimizer, variables, 0, 1)).toThrow(
      'AdamW: epsilon must be at least 0.0001 on a backend of half precision, where it would be 0, got 1e-8',
    );
    expect(await results(variables)).toEqual(before);
    optimizer.dispose();
    tf.dispose(variables);
  });
});
