/**
 * Runs a plan's wasm kernel by itself, in a memory where everything can be looked at afterwards:
 * sums included, and guard words between the buffers, so that a write to the wrong place does not
 * pass.
 */
import type { Layout } from '../../src/compiler/layout.js';
import type { Buffer, Plan } from '../../src/compiler/plan.js';
import {
  bytesOf,
  loopOrderOf,
  printWasm,
  parameterBlockOf,
  layoutSizes,
} from '../../src/compiler/print-wasm.js';

/** Values by buffer name: the variable `w`, the gradient `g`, the slots, `gradientScale`. */
export type Inputs = Readonly<Record<string, Float32Array>>;

const memory = new WebAssembly.Memory({ initial: 256 });

/** A NaN that no operation gives: memory that the kernel should not have read or written. */
const guard = 0x7fdead5a;
const guardWords = 6;

export function countOf(buffer: Buffer, layout: Layout): number {
  return { element: layout.size, neuron: layout.neurons, tensor: 1 }[buffer.domain];
}

/** What each buffer of the plan holds after a run; of a sum: its float32 value. */
export function runKernel(
  plan: Plan,
  layout: Layout,
  inputs: Inputs,
  values: Readonly<Record<string, number>>,
): Map<Buffer, Float32Array> {
  const block = parameterBlockOf(plan);
  let end = 16;
  const place = (bytes: number): number => {
    // Like tensors in tfjs's heap: on 8 bytes, but not on 16.
    const address = Math.ceil(end / 16) * 16 + 8;
    end = address + bytes + 4 * guardWords;
    return address;
  };
  const blockAddress = place(4 * block.words);
  const addresses = plan.buffers.map((buffer) => place(bytesOf(plan, buffer, layout)));
  end += 64;
  const missing = Math.ceil((end - memory.buffer.byteLength) / 65536);
  if (missing > 0) memory.grow(missing);

  const words = new Int32Array(memory.buffer, 0, Math.ceil(end / 4));
  const floats = new Float32Array(memory.buffer, 0, words.length);
  words.fill(guard);
  words.set(layoutSizes(plan, layout), blockAddress / 4);
  words.set(addresses, blockAddress / 4 + block.pointers);
  const scalars = new Float32Array(plan.scalars.length);
  plan.writeScalars(values, scalars, 0);
  floats.set(scalars, blockAddress / 4 + block.scalars);
  plan.buffers.forEach((buffer, i) => {
    if (['variable', 'gradient', 'slot', 'stepWide'].includes(buffer.role))
      floats.set(inputs[buffer.name], addresses[i] / 4);
  });

  // Tensor sums accumulate into existing memory.
  plan.buffers.forEach((buffer, i) => {
    if (buffer.role === 'sum' && buffer.domain === 'tensor')
      words.fill(0, addresses[i] / 4, (addresses[i] + bytesOf(plan, buffer, layout)) / 4);
  });

  const module = new WebAssembly.Module(printWasm(plan, loopOrderOf(plan, layout), false));
  const { step } = new WebAssembly.Instance(module, { env: { memory } }).exports as {
    step: (parameterBlock: number) => void;
  };
  step(blockAddress);

  const bounds = [
    blockAddress + 4 * block.words,
    ...plan.buffers.map((buffer, i) => addresses[i] + bytesOf(plan, buffer, layout)),
  ];
  for (const bound of bounds) {
    for (let i = 0; i < guardWords; i++)
      if (words[bound / 4 + i] !== guard)
        throw new Error(`the kernel of ${plan.name} wrote ${4 * i} bytes past the end of a buffer`);
  }
  return new Map(
    plan.buffers.map((buffer, i) => [
      buffer,
      floats.slice(addresses[i] / 4, addresses[i] / 4 + countOf(buffer, layout)),
    ]),
  );
}
