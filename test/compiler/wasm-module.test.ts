/** The modules that the wasm printer encodes: valid, small, and of one import and one export. */
import { describe, expect, it } from 'vitest';
import { printWasm, type LoopOrder } from '../../src/compiler/print-wasm.js';
import { add, mul, neuronSum, square, sub, tensorSum } from '../../src/compiler/expression.js';
import { planUpdate } from '../../src/compiler/program.js';
import { defineRule } from '../../src/compiler/define-rule.js';
import { encodeModule, simdModule } from '../../src/compiler/wasm-module.js';
import * as wasm from '../../src/compiler/wasm-instructions.js';
import { adamW } from '../../src/rules/adamw.js';
import { giAdam } from '../../src/rules/gi-adam.js';
import { clipByGlobalNorm } from '../../src/rules/global-norm.js';
import { lion } from '../../src/rules/lion.js';
import { sgdMomentum } from '../../src/rules/sgd-momentum.js';

const neurons = defineRule({
  name: 'neurons',
  slots: { n: 'neuron', t: 'tensor' },
  update: ({ w, g, n }) => ({
    w: sub(w, mul(g, add(n, neuronSum(mul(w, g))))),
    n: neuronSum(square(g)),
    t: tensorSum(square(g)),
  }),
});
/** More values than one byte can number. */
const long = defineRule({
  name: 'long',
  update: ({ w, g }) => {
    let value = w;
    for (let i = 0; i < 300; i++) value = add(mul(value, i / 300), g);
    return { w: value };
  },
});

const plans = [
  ...[adamW(), giAdam(), lion, sgdMomentum(false), sgdMomentum(true), neurons, long].flatMap(
    (rule) => [planUpdate(rule, false), planUpdate(rule, true)],
  ),
  clipByGlobalNorm(),
];

describe('modules', () => {
  it.each(
    plans.flatMap((plan) =>
      (['columns', 'runs'] as LoopOrder[]).flatMap((order) =>
        [false, true].map((shared) => [plan.name, order, shared, plan] as const),
      ),
    ),
  )('%s, %s, shared memory: %s', (_, order, shared, plan) => {
    const bytes = printWasm(plan, order, shared);
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module)).toEqual([
      { module: 'env', name: 'memory', kind: 'memory' },
    ]);
    expect(WebAssembly.Module.exports(module)).toEqual([{ name: 'step', kind: 'function' }]);
    const memory = new WebAssembly.Memory(
      shared ? { initial: 1, maximum: 65536, shared } : { initial: 1 },
    );
    expect(() => new WebAssembly.Instance(module, { env: { memory } })).not.toThrow();
  });

  it('the kernel of AdamW stays small', () => {
    // 823 bytes when this was written, 862 with the factor of the gradient.
    expect(printWasm(planUpdate(adamW(), false), 'runs', false).length).toBeLessThan(1000);
    expect(printWasm(planUpdate(adamW(), true), 'runs', false).length).toBeLessThan(1050);
  });

  it('the module that asks for SIMD asks for nothing else', () => {
    expect(WebAssembly.validate(simdModule)).toBe(true);
    expect(WebAssembly.validate(encodeModule([], wasm.i32Const(0), false))).toBe(false);
  });

  it.each([
    [0, [0]],
    [127, [127]],
    [128, [128, 1]],
    [16256, [128, 127]],
    [65536, [128, 128, 4]],
    [4294967295, [255, 255, 255, 255, 15]],
  ])('%i in LEB128', (value, bytes) => {
    expect(wasm.unsigned(value)).toEqual(bytes);
  });
  it.each([0, 63, 64, -64, -65, 8191, 8192, 65535, 65536, -2147483648, 2147483647])(
    'the constant %i comes back',
    (value) => {
      const memory = new WebAssembly.Memory({ initial: 1 });
      // 0xbe takes the bits of an integer as a float32.
      const body = [wasm.get(0), wasm.i32Const(value), 0xbe, wasm.f32Store];
      const { step } = new WebAssembly.Instance(
        new WebAssembly.Module(encodeModule([], body, false)),
        { env: { memory } },
      ).exports as { step: (address: number) => void };
      step(16);
      expect(new Int32Array(memory.buffer)[4]).toBe(value);
    },
  );
});
