/** The executor of fused WebAssembly kernels, on the memory that a heap gives it. */
import { tensor, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import { evaluate } from '../compiler/evaluate.js';
import type { Layout } from '../compiler/layout.js';
import type { Buffer, Plan } from '../compiler/plan.js';
import { bytesOf, formOf, printWasm, recordOf, recordSizes, type Form } from '../compiler/print-wasm.js';
import type { Executor, Job, StepWide } from './executor.js';
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

  step(jobs: readonly Job[], stepWide?: StepWide): void {
    const scale = stepWide && this.#stepWide(jobs, stepWide);
    const scaleAddress = this.#gradientScale.reserve(4);
    if (scale !== undefined) new Float32Array(this.#heap.memory.buffer, scaleAddress, 1)[0] = scale;
    for (const { variable, gradient, plan, layout, values } of jobs) {
      const w = this.#heap.borrow(variable);
      const g = this.#heap.read(gradient);
      this.#run(plan, layout, values, (buffer) =>
        buffer.role === 'variable' ? w : buffer.role === 'gradient' ? g : buffer.role === 'stepWide' ? scaleAddress : this.#slot(variable, buffer).address);
      this.#heap.giveBack(variable);
    }
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
      const { scratchOffsets } = this.#run(stage.sums, layout, values, () => g);
      const scratch = new Float32Array(this.#heap.memory.buffer, this.#scratch.address);
      stage.sums.buffers.forEach(({ name, role }, i) => {
        if (role === 'reading') totals[name] += scratch[scratchOffsets[i]! / 4];
      });
    }
    return evaluate(stage.result, { ...values, ...totals });
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
      launch = { kernel: this.#kernel(plan, formOf(plan, layout)), record: recordOf(plan), sizes: recordSizes(plan, layout), scratchOffsets, scratchBytes };
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

const isInside = ({ role }: Buffer): boolean => role === 'sum' || role === 'scratch' || role === 'reading';
