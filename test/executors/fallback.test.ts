/** Where fused kernels cannot run, tfjs operations do: with one warning, and visibly. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { bitsOf, numbersTensor, numbersVariable, useBackend } from './tools.js';

/** A fresh copy of the library, which has warned of nothing yet. */
async function freshLibrary() {
  vi.resetModules();
  return await import('../../src/optimizers/index.js');
}

/** Our own warnings: tfjs has one on its cpu backend, too. */
let warnings: string[];
beforeEach(() => {
  warnings = [];
  vi.spyOn(console, 'warn').mockImplementation((message: string) => {
    if (message.startsWith('tfjs-warmup')) warnings.push(message);
  });
});
afterEach(() => void vi.restoreAllMocks());

/** Trains two optimizers and gives the weights. */
async function train(
  options: { executor?: 'auto' | 'ops' } = {},
): Promise<{ weights: Int32Array; names: string[] }> {
  const { AdamW, Lion } = await freshLibrary();
  const v = numbersVariable([7, 3], 1);
  const names: string[] = [];
  for (const optimizer of [
    new AdamW({ learningRate: 0.1, ...options }),
    new Lion({ learningRate: 0.01, ...options }),
  ]) {
    for (let i = 0; i < 5; i++) {
      const g = numbersTensor([7, 3], 10 + i);
      optimizer.applyGradients({ [v.name]: g });
      g.dispose();
    }
    names.push(optimizer.executorName);
    optimizer.dispose();
  }
  const weights = bitsOf(v);
  v.dispose();
  return { weights, names };
}

/** Hides the memory from whoever looks for it; the backend goes on using it. */
function hideMemory(): void {
  const { wasm } = tf.backend() as unknown as { wasm: { asm: object; wasmMemory?: object } };
  const hide = (from: object, key: string) => {
    if (!(key in from)) return;
    const original = (from as Record<string, unknown>)[key];
    const shown =
      key === 'asm'
        ? new Proxy(
            {},
            {
              get: (_, name) =>
                name === 'memory' ? undefined : Reflect.get(original as object, name),
            },
          )
        : undefined;
    (from as Record<string, unknown>)[key] = shown;
    restore.push(() => ((from as Record<string, unknown>)[key] = original));
  };
  hide(wasm, 'asm');
  hide(wasm, 'wasmMemory');
}
const restore: (() => void)[] = [];
afterEach(() => restore.splice(0).forEach((one) => one()));

const obstacles: [string, string[], () => void, RegExp][] = [
  [
    'no SIMD',
    ['wasm', 'cpu'],
    () => void vi.spyOn(WebAssembly, 'validate').mockReturnValue(false),
    /WebAssembly has no SIMD here/,
  ],
  [
    'compilation blocked by a content security policy',
    ['wasm', 'cpu'],
    () =>
      void vi.spyOn(WebAssembly, 'Module').mockImplementation(function () {
        throw new WebAssembly.CompileError(
          'WebAssembly.Module(): Wasm code generation disallowed by embedder',
        );
      }),
    /WebAssembly cannot be compiled here .*wasm-unsafe-eval.*disallowed by embedder/,
  ],
  [
    'a wasm backend that does not show its memory',
    ['wasm'],
    hideMemory,
    /this build of the wasm backend does not show its memory/,
  ],
  [
    'no WebAssembly at all',
    ['cpu'],
    () => {
      const { WebAssembly: original } = globalThis;
      restore.push(() => void (globalThis.WebAssembly = original));
      delete (globalThis as Partial<typeof globalThis>).WebAssembly;
    },
    /there is no WebAssembly here/,
  ],
];

describe.each(
  obstacles.flatMap(([name, backends, obstruct, reason]) =>
    backends.map((backend) => [name, backend, obstruct, reason] as const),
  ),
)('%s, on %s', (_, backend, obstruct, reason) => {
  beforeEach(() => useBackend(backend));

  test('trains with operations, says so once, and to the same bits', async () => {
    const expected = await train();
    expect(expected.names).toEqual(['wasm', 'wasm']);
    expect(warnings).toEqual([]);
    obstruct();
    const { weights, names } = await train();
    expect(names).toEqual(['ops', 'ops']);
    // Rules without sums give the same bits either way.
    expect(weights).toEqual(expected.weights);
    expect(warnings.length).toBe(1);
    expect(warnings[0]).toMatch(/^tfjs-warmup: no fused kernels, tfjs operations instead: /);
    expect(warnings[0]).toMatch(reason);
  });

  test('asked for operations, it does not warn', async () => {
    obstruct();
    expect((await train({ executor: 'ops' })).names).toEqual(['ops', 'ops']);
    expect(warnings).toEqual([]);
  });
});

test.each(['wasm', 'cpu'])("executor 'ops' on %s: no warning", async (backend) => {
  await useBackend(backend);
  expect((await train({ executor: 'ops' })).names).toEqual(['ops', 'ops']);
  expect(warnings).toEqual([]);
});

test('an obstacle that appears in mid-run takes the slots along', async () => {
  await useBackend('wasm');
  const { AdamW } = await freshLibrary();
  const run = async (switching: boolean) => {
    const v = numbersVariable([7, 3], 1);
    const optimizer = new AdamW({ learningRate: 0.1 });
    for (let i = 0; i < 6; i++) {
      if (switching && i === 3) {
        await useBackend('cpu');
        vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
      }
      const g = numbersTensor([7, 3], 10 + i);
      optimizer.applyGradients({ [v.name]: g });
      g.dispose();
    }
    const result = { weights: bitsOf(v), name: optimizer.executorName };
    optimizer.dispose();
    v.dispose();
    return result;
  };
  const whole = await run(false);
  const switched = await run(true);
  expect([whole.name, switched.name]).toEqual(['wasm', 'ops']);
  expect(switched.weights).toEqual(whole.weights);
  expect(warnings.length).toBe(1);
});

describe('half precision', () => {
  test.each(['AdamW', 'GIAdam'] as const)(
    '%s: an epsilon that would be 0 is refused, and not used by default',
    async (name) => {
      await useBackend('cpu');
      vi.spyOn(tf.backend() as tf.KernelBackend, 'floatPrecision').mockReturnValue(16);
      const library = await freshLibrary();
      const v = numbersVariable([3], 1);
      const g = numbersTensor([3], 2);
      const make = (epsilon?: number) => new library[name]({ learningRate: 0.1, epsilon });
      for (const epsilon of [1e-8, 9.9e-5, 0]) {
        expect(() => make(epsilon).applyGradients({ [v.name]: g })).toThrow(
          `${name}: epsilon must be at least 0.0001 on a backend of half precision, ` +
            `where it would be 0, got ${epsilon}`,
        );
      }
      const values = v.clone();
      const stepOf = (optimizer: InstanceType<(typeof library)[typeof name]>): Int32Array => {
        v.assign(values as tf.Variable);
        optimizer.applyGradients({ [v.name]: g });
        return bitsOf(v);
      };
      const byDefault = make();
      expect(stepOf(byDefault)).not.toEqual(bitsOf(values));
      expect(byDefault.hyperparameters.epsilon).toBe(1e-4);
      expect(byDefault.getConfig().epsilon).toBe(1e-8);
      expect(stepOf(make())).toEqual(stepOf(make(1e-4)));
      tf.dispose([v, g, values]);
    },
  );

  test('the default follows the backend; a saved default is a default', async () => {
    await useBackend('cpu');
    const half = vi.spyOn(tf.backend() as tf.KernelBackend, 'floatPrecision').mockReturnValue(16);
    const { AdamW, RuleOptimizer } = await freshLibrary();
    const { adamW } = await import('../../src/rules/index.js');
    const v = numbersVariable([3], 1);
    const g = numbersTensor([3], 2);
    const rule = adamW();
    const ruled = (hyperparameters?: Record<string, number>) =>
      new RuleOptimizer({ rule, learningRate: 0.1, hyperparameters });
    const loaded = AdamW.fromConfig<InstanceType<typeof AdamW>>(
      AdamW as never,
      new AdamW({ learningRate: 0.1 }).getConfig(),
    );
    for (const optimizer of [
      new AdamW({ learningRate: 0.1 }),
      loaded,
      ruled(),
      ruled({ beta1: 0.8 }),
    ]) {
      optimizer.applyGradients({ [v.name]: g });
      expect(optimizer.hyperparameters.epsilon).toBe(1e-4);
      await useBackend('wasm');
      optimizer.applyGradients({ [v.name]: g });
      expect(optimizer.hyperparameters.epsilon).toBe(1e-8);
      await useBackend('cpu');
      expect(optimizer.hyperparameters.epsilon).toBe(1e-4);
    }
    expect(() => ruled({ epsilon: 1e-8 }).applyGradients({ [v.name]: g })).toThrow(
      'RuleOptimizer adamW: epsilon must be at least 0.0001 on a backend of half precision, ' +
        'where it would be 0, got 1e-8',
    );
    expect(half).toHaveBeenCalled();
    tf.dispose([v, g]);
  });

  test('clipNorm is refused', async () => {
    await useBackend('cpu');
    vi.spyOn(tf.backend() as tf.KernelBackend, 'floatPrecision').mockReturnValue(16);
    const { Lion } = await freshLibrary();
    const v = numbersVariable([3], 1);
    const g = numbersTensor([3], 2);
    const before = bitsOf(v);
    expect(() =>
      new Lion({ learningRate: 0.1, clipNorm: 2 }).applyGradients({ [v.name]: g }),
    ).toThrow('Lion: clipNorm must be left out on a backend of half precision, got 2');
    expect(bitsOf(v)).toEqual(before);
    tf.dispose([v, g]);
  });
});
