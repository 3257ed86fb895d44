/** The executor of fused WebAssembly kernels, on the memory that a heap gives it. */
import { tensor, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import { evaluate } from '../compiler/evaluate.js';
import type { Layout } from '../compiler/layout.js';
import type { Buffer, Plan } from '../compiler/plan.js';
import { bytesOf, formOf, printWasm, recordOf, recordSizes, type Form } from '../compiler/print-wasm.js';
import type { Executor, Job, StepReading, StepWide } from './executor.js';
import type { WasmHeap } from './wasm-heap.js';

type Slot = { readonly address: number; readonly shape: readonly number[]; readonly size: number };
type Kernel = (record: number) => void;

/** What does not change between the runs of a plan on tensors of one layout. */
type Launch = {
  readonly kernel: Kernel;
  readonly record: ReturnType<typeof recordOf>;
  readonly sizes: readonly number[];
  /** By buffer: where in the scratch memory it is, if it is there. */
  readonly scratchOffsets: readonly (number | undefined)[];
  readonly scratchBytes: number;
  /** What is left for the host: the double behind a sum of the tensor where the reading is one, else float32. */
  readonly readings: readonly { readonly name: string; readonly offset: number; readonly length: number; readonly double: boolean }[];
};

/** Memory that grows when more is asked for; its content does not survive that. */
class Region {
  address = 0;
  #bytes = 0;
  constructor(readonly heap: WasmHeap) {}

  reserve(bytes: number): number {
    if (bytes > this.#bytes) {
      this.release();
      this.address = this.heap.allocate(bytes);
      this.#bytes = bytes;
    }
    return this.address;
  }

  release(): void {
    if (this.#bytes > 0) this.heap.release(this.address);
    this.#bytes = 0;
  }
}

export class WasmExecutor implements Executor {
  readonly name = 'wasm';
  readonly #heap: WasmHeap;
  readonly #slots = new Map<string, Map<string, Slot>>();
  readonly #kernels = new Map<Plan, Map<Form, Kernel>>();
  readonly #launches = new Map<Plan, Map<Layout, Launch>>();
  /** The record of the kernel that runs; every run writes all of it. */
  readonly #record: Region;
  /** Sums, scratch and readings: dead after each variable's update. */
  readonly #scratch: Region;
  readonly #gradientScale: Region;

  constructor(heap: WasmHeap) {
    this.#heap = heap;
    this.#record = new Region(heap);
    this.#scratch = new Region(heap);
    this.#gradientScale = new Region(heap);
  }

  create(variableName: string, shapes: Readonly<Record<string, readonly number[]>>): void {
    const slots = new Map<string, Slot>();
    this.#slots.set(variableName, slots);
    for (const [name, shape] of Object.entries(shapes)) {
      const size = shape.reduce((product, length) => product * length, 1);
      const slot = { address: this.#heap.allocate(4 * size), shape, size };
      slots.set(name, slot);
      this.#floats(slot).fill(0);
    }
  }

  step(jobs: readonly Job[], stepWide?: StepWide): StepReading | undefined {
    const scale = stepWide && this.#stepWide(jobs, stepWide);
    const scaleAddress = this.#gradientScale.reserve(4);
    if (scale !== undefined) new Float32Array(this.#heap.memory.buffer, scaleAddress, 1)[0] = scale;
    let read: Map<string, Record<string, ArrayLike<number>>> | undefined;
    for (const { variable, gradient, plan, layout, values } of jobs) {
      const w = this.#heap.borrow(variable);
      const g = this.#heap.read(gradient);
      const launch = this.#run(plan, layout, values, (buffer) =>
        buffer.role === 'variable' ? w : buffer.role === 'gradient' ? g : buffer.role === 'stepWide' ? scaleAddress : this.#slot(variable, buffer).address);
      this.#heap.giveBack(variable);
      if (launch.readings.length > 0) (read ??= new Map()).set(variable.name, this.#readingsOf(launch));
    }
    return read && { read: async () => ({ gradientScale: scale ?? 1, variables: read }), dispose: () => undefined };
  }

  prepare(variable: Variable, plan: Plan, layout: Layout, values: Readonly<Record<string, number>>): void {
    const w = this.#heap.borrow(variable);
    this.#run(plan, layout, values, (buffer) => (buffer.role === 'variable' ? w : this.#slot(variable, buffer).address));
    this.#heap.giveBack(variable);
  }

  read(variableName: string, slot: string): Tensor {
    const stored = this.#slots.get(variableName)!.get(slot)!;
    return tensor(this.#floats(stored).slice(), [...stored.shape], 'float32');
  }

  write(variableName: string, slot: string, values: Tensor): void {
    const data = values.dataSync<'float32'>();
    this.#floats(this.#slots.get(variableName)!.get(slot)!).set(data);
  }

  dispose(): void {
    for (const slots of this.#slots.values()) for (const { address } of slots.values()) this.#heap.release(address);
    this.#slots.clear();
    for (const region of [this.#record, this.#scratch, this.#gradientScale]) region.release();
    this.#heap.dispose();
  }

  /** Evaluates a step-wide stage: sums of each gradient by kernel, the totals and the result in double on the host. */
  #stepWide(jobs: readonly Job[], { stage, values }: StepWide): number {
    const totals: Record<string, number> = Object.fromEntries(stage.sums.buffers.filter(({ role }) => role === 'reading').map(({ name }) => [name, 0]));
    for (const { gradient, layout } of jobs) {
      if (gradient.size === 0) continue;
      const g = this.#heap.read(gradient);
      const sums = this.#readingsOf(this.#run(stage.sums, layout, values, () => g));
      for (const [name, [value]] of Object.entries(sums) as [string, Float64Array][]) totals[name] += value;
    }
    return evaluate(stage.result, { ...values, ...totals });
  }

  /** Copies what a run has left for the host. */
  #readingsOf({ readings }: Launch): Record<string, ArrayLike<number>> {
    const { buffer } = this.#heap.memory;
    const { address } = this.#scratch;
    return Object.fromEntries(readings.map(({ name, offset, length, double }) => [name, double ? new Float64Array(buffer, address + offset, length).slice() : new Float32Array(buffer, address + offset, length).slice()]));
  }

  /** Runs a plan's kernel; `outside` gives the addresses of buffers that outlive it. */
  #run(plan: Plan, layout: Layout, values: Readonly<Record<string, number>>, outside: (buffer: Buffer) => number): Launch {
    const launch = this.#launch(plan, layout);
    const { pointers, scalars, words } = launch.record;
    const record = this.#record.reserve(4 * words);
    const scratch = this.#scratch.reserve(launch.scratchBytes);
    const { buffer: memory } = this.#heap.memory;
    const integers = new Int32Array(memory, record, words);
    integers.set(launch.sizes);
    plan.buffers.forEach((buffer, i) => {
      const offset = launch.scratchOffsets[i];
      integers[pointers + i] = offset === undefined ? outside(buffer) : scratch + offset;
    });
    plan.writeScalars(values, new Float32Array(memory, record, words), scalars);
    launch.kernel(record);
    return launch;
  }

  #launch(plan: Plan, layout: Layout): Launch {
    const launches = this.#launches.get(plan) ?? new Map<Layout, Launch>();
    this.#launches.set(plan, launches);
    let launch = launches.get(layout);
    if (!launch) {
      let scratchBytes = 0;
      const scratchOffsets = plan.buffers.map((buffer) => {
        if (!isInside(buffer)) return undefined;
        const offset = scratchBytes;
        scratchBytes += Math.ceil(bytesOf(plan, buffer, layout) / 16) * 16;
        return offset;
      });
      launch = { kernel: this.#kernel(plan, formOf(plan, layout)), record: recordOf(plan), sizes: recordSizes(plan, layout), scratchOffsets, scratchBytes, readings: readingsOf(plan, layout, scratchOffsets) };
      launches.set(layout, launch);
    }
    return launch;
  }

  #kernel(plan: Plan, form: Form): Kernel {
    const forms = this.#kernels.get(plan) ?? new Map<Form, Kernel>();
    this.#kernels.set(plan, forms);
    let kernel = forms.get(form);
    if (!kernel) {
      const { memory, shared } = this.#heap;
      const instance = new WebAssembly.Instance(new WebAssembly.Module(printWasm(plan, form, shared)), { env: { memory } });
      kernel = instance.exports.step as Kernel;
      forms.set(form, kernel);
    }
    return kernel;
  }

  #slot(variable: Variable, buffer: Buffer): Slot {
    return this.#slots.get(variable.name)!.get(buffer.name)!;
  }

  /** A view of a slot, valid until the memory grows. */
  #floats({ address, size }: Slot): Float32Array {
    return new Float32Array(this.#heap.memory.buffer, address, size);
  }
}

/** Where the host finds the readings of a plan. */
function readingsOf(plan: Plan, layout: Layout, offsets: readonly (number | undefined)[]): Launch['readings'] {
  const offsetOf = (buffer: Buffer): number => offsets[plan.buffers.indexOf(buffer)]!;
  return plan.stages.flatMap(({ stores, instructions }) => stores.flatMap(({ buffer, value }): Launch['readings'] => {
    if (buffer.role !== 'reading') return [];
    const source = instructions[value];
    const sum = source.op === 'load' && source.buffer.role === 'sum' && source.buffer.domain === 'tensor' ? source.buffer : undefined;
    // A sum of the tensor has its float32 value first, then its float64 accumulator.
    if (sum) return [{ name: buffer.name, offset: offsetOf(sum) + 8, length: 1, double: true }];
    return [{ name: buffer.name, offset: offsetOf(buffer), length: buffer.domain === 'neuron' ? layout.neurons : 1, double: false }];
  }));
}

const isInside = ({ role }: Buffer): boolean => role === 'sum' || role === 'scratch' || role === 'reading';
