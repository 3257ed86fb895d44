/**
 * Nothing grows: not the number of tensors, not the wasm heap, not the private memories, however
 * long one trains.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RuleOptimizer, type FusedOptimizer } from '../../src/optimizers/index.js';
import {
  defineRule,
  div,
  mul,
  neuronSum,
  sqrt,
  square,
  sub,
  tensorSum,
} from '../../src/rules/index.js';
import {
  blocksLeft,
  numbersTensor,
  numbersVariable,
  optimizers,
  stateOf,
  useBackend,
  wasmModule,
} from './tools.js';

const names = Object.keys(optimizers);
const shapes = [[37], [16, 5], [], [3, 3, 2, 4]];
/** Slots of 2 MB: whatever is not given back shows within a few rounds. */
const large = [1 << 19];

let optimizer: FusedOptimizer;
let variables: tf.Variable[];
let gradients: tf.Tensor[];

function setUp(
  name: string,
  options: { executor?: 'auto' | 'ops'; clipNorm?: number } = {},
  of: number[][] = shapes,
): void {
  optimizer = optimizers[name]({ learningRate: 1e-3, ...options });
  variables = of.map((shape, i) => numbersVariable(shape, i));
  gradients = of.map((shape, i) => numbersTensor(shape, 100 + i));
}

const step = () =>
  optimizer.applyGradients(variables.map(({ name }, i) => ({ name, tensor: gradients[i] })));

function tearDown(): void {
  optimizer.dispose();
  tf.dispose([...variables, ...gradients]);
}

/** Where a block of several MB would be put now. */
function placeOfLargeBlock(): number {
  const { _malloc, _free } = wasmModule();
  const address = _malloc(2 << 20);
  _free(address);
  return address;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The private memories that are made while `body` runs. */
function recordMemories(body: () => void): WeakRef<WebAssembly.Memory>[] {
  const made: WeakRef<WebAssembly.Memory>[] = [];
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      made.push(new WeakRef(this));
    }
  };
  try {
    body();
  } finally {
    WebAssembly.Memory = Memory;
  }
  return made;
}

afterEach(() => vi.restoreAllMocks());

describe.each(['wasm', 'cpu'])('%s', (backend) => {
  beforeEach(() => useBackend(backend));

  test.each(names)('%s: 1000 steps add no tensor and no byte', (name) => {
    setUp(name, { clipNorm: 0.1 });
    const [memory] = recordMemories(step);
    const bytes = () =>
      backend === 'wasm' ? wasmModule().HEAPU8.length : memory.deref()!.buffer.byteLength;
    const before = { ...tf.memory(), heap: bytes() };
    for (let i = 0; i < 1000; i++) step();
    expect({ ...tf.memory(), heap: bytes() }).toEqual(before);
    tearDown();
  });

  test('a step with other variables, other orders and missing gradients adds nothing either', () => {
    setUp('AdamW', { clipNorm: 0.1 });
    const [memory] = recordMemories(step);
    const bytes = () =>
      backend === 'wasm' ? wasmModule().HEAPU8.length : memory.deref()!.buffer.byteLength;
    const before = { ...tf.memory(), heap: bytes() };
    for (let i = 0; i < 100; i++) {
      const given = variables.map(({ name }, j) => ({
        name,
        tensor: (i + j) % 3 ? gradients[j] : undefined,
      }));
      optimizer.applyGradients(i % 2 ? given : given.map((_, j) => given[given.length - 1 - j]));
    }
    expect({ ...tf.memory(), heap: bytes() }).toEqual(before);
    tearDown();
  });

  test.each(names)('%s, ops executor: steps are balanced', (name) => {
    setUp(name, { executor: 'ops', clipNorm: 0.1 });
    step();
    const before = tf.memory();
    for (let i = 0; i < 100; i++) step();
    expect(tf.memory()).toEqual(before);
    tearDown();
  });

  test.each(['auto', 'ops'] as const)('dispose gives back all tensors (%s)', (executor) => {
    const before = tf.memory().numTensors;
    for (const name of names) {
      setUp(name, { executor, clipNorm: 1 });
      step();
      tearDown();
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each(['auto', 'ops'] as const)(
    'dispose twice, and dispose of what never stepped (%s)',
    (executor) => {
      const before = tf.memory().numTensors;
      setUp('AdamW', { executor });
      step();
      optimizer.dispose();
      tearDown();
      setUp('AdamW', { executor });
      tearDown();
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test.each(['auto', 'ops'] as const)(
    'getWeights and setWeights leak nothing (%s)',
    async (executor) => {
      const empty = tf.memory().numTensors;
      setUp('AdamW', { executor });
      step();
      const before = tf.memory().numTensors;
      await stateOf(optimizer);
      expect(tf.memory().numTensors).toBe(before);
      for (let i = 0; i < 3; i++) {
        const saved = await optimizer.getWeights();
        await optimizer.setWeights(saved);
        // Loaded twice over without a step between: the copies of the first time must go.
        await optimizer.setWeights(saved);
        tf.dispose(saved.map(({ tensor }) => tensor));
        await stateOf(optimizer);
        if (i < 2) step();
        if (i < 2) expect(tf.memory().numTensors).toBe(before);
      }
      // State that no step has asked for goes with the optimizer.
      tearDown();
      expect(tf.memory().numTensors).toBe(empty);
    },
  );

  test('a rule with sums and neuron slots adds nothing', () => {
    const rule = defineRule({
      name: 'normalized',
      slots: { m: 'element', energy: 'tensor' },
      update: ({ w, g, m }, s) => ({
        w: sub(w, mul(s.learningRate, div(g, sqrt(tensorSum(square(g)))))),
        m: sub(m, g),
        energy: tensorSum(square(w)),
      }),
    });
    setUp('AdamW');
    optimizer = new RuleOptimizer({ rule, learningRate: 0.01 });
    const [memory] = recordMemories(step);
    const bytes = () =>
      backend === 'wasm' ? wasmModule().HEAPU8.length : memory.deref()!.buffer.byteLength;
    const before = { ...tf.memory(), heap: bytes() };
    for (let i = 0; i < 100; i++) step();
    expect({ ...tf.memory(), heap: bytes() }).toEqual(before);
    tearDown();
  });

  test('an ops executor in a scope of the user keeps its slots and leaves nothing behind', () => {
    const rule = defineRule({
      name: 'perNeuron',
      slots: { energy: 'neuron' },
      update: ({ w, g, energy }, s) => ({
        w: sub(w, mul(s.learningRate, g)),
        energy: mul(0.5, neuronSum(square(g))) && sub(energy, neuronSum(g)),
      }),
    });
    setUp('AdamW');
    optimizer = new RuleOptimizer({ rule, learningRate: 0.01, executor: 'ops' });
    tf.tidy(step);
    const before = tf.memory();
    for (let i = 0; i < 10; i++) tf.tidy(step);
    expect(tf.memory()).toEqual(before);
    tearDown();
  });
});

describe('wasm', () => {
  beforeEach(() => useBackend('wasm'));

  test('a step makes no tensor and runs no operation of the backend', () => {
    setUp('AdamW', { clipNorm: 0.1 });
    step();
    const write = vi.spyOn(tf.backend() as tf.KernelBackend, 'write');
    const { _malloc } = wasmModule();
    const malloc = vi.spyOn(wasmModule(), '_malloc').mockImplementation(_malloc);
    step();
    expect(write).not.toHaveBeenCalled();
    expect(malloc).not.toHaveBeenCalled();
    tearDown();
  });

  test.each(names)('%s: 50 rounds of create, step, dispose give every byte back', (name) => {
    const round = () => {
      setUp(name, { clipNorm: 1 }, [large, ...shapes]);
      step();
      tearDown();
    };
    round();
    const before = { heap: wasmModule().HEAPU8.length, place: placeOfLargeBlock() };
    for (let i = 0; i < 49; i++) round();
    expect(blocksLeft(round)).toBe(0);
    expect({ heap: wasmModule().HEAPU8.length, place: placeOfLargeBlock() }).toEqual(before);
  });

  test('loading state gives the slots before it back', async () => {
    setUp('AdamW', {}, [large]);
    step();
    const saved = await optimizer.getWeights();
    const round = async () => {
      await optimizer.setWeights(saved);
      step();
    };
    await round();
    const before = wasmModule().HEAPU8.length;
    for (let i = 0; i < 50; i++) await round();
    expect(wasmModule().HEAPU8.length).toBe(before);
    tf.dispose(saved.map(({ tensor }) => tensor));
    tearDown();
  });

  test('a change of backend gives the slots back', async () => {
    setUp('AdamW', {}, [large]);
    const round = async () => {
      await useBackend('cpu');
      step();
      await useBackend('wasm');
      step();
    };
    await round();
    const before = { heap: wasmModule().HEAPU8.length, tensors: tf.memory().numTensors };
    for (let i = 0; i < 30; i++) await round();
    expect({ heap: wasmModule().HEAPU8.length, tensors: tf.memory().numTensors }).toEqual(before);
    tearDown();
  });
});

describe('cpu', () => {
  beforeEach(() => useBackend('cpu'));

  test('a step makes one array a variable', () => {
    setUp('AdamW', { clipNorm: 0.1 });
    step();
    const write = vi.spyOn(tf.backend() as tf.KernelBackend, 'write');
    step();
    expect(write).toHaveBeenCalledTimes(variables.length);
    tearDown();
  });

  test('50 rounds of create, step, dispose leave no private memory', async () => {
    const memories = recordMemories(() => {
      for (let i = 0; i < 50; i++) {
        setUp(names[i % names.length], { clipNorm: 1 }, [large]);
        step();
        tearDown();
      }
    });
    expect(memories.length).toBe(50);
    // The last ones may still be on the stack.
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
    expect(memories.filter((memory) => memory.deref()).length).toBeLessThanOrEqual(1);
  });

  test('the private memory holds slots, one weight and one gradient, in whatever order variables come', () => {
    const sizes = Array.from({ length: 20 }, (_, i) => [5_000 * (i + 1)]);
    const memory = (of: number[][]) => {
      setUp('AdamW', {}, of);
      const [made] = recordMemories(step);
      const bytes = made.deref()!.buffer.byteLength;
      tearDown();
      return bytes;
    };
    const elements = sizes.reduce((sum, [size]) => sum + size, 0);
    const needed = 4 * (2 * elements + 2 * 100_000);
    expect(memory(sizes.map((_, i) => sizes[sizes.length - 1 - i]))).toBeLessThan(1.1 * needed);
    // Growing tensors make it grow its places for weight and gradient: by no more than the weights
    // and gradients themselves.
    expect(memory(sizes)).toBeLessThan(2.1 * needed);
  });
});
