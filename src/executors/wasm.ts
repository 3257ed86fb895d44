/** The executor of fused WebAssembly kernels: slots live on a heap, kernels update them in place. */
import { keep, tensor, tensor1d, util, type Tensor } from '@tensorflow/tfjs-core';
import type { Buffer } from '../compiler/plan.js';
import { mapValues } from '../map-values.js';
import type { Executor, Job, Reading, Slot, SlotShapes, Slots, StepWide } from './executor.js';
import type { WasmHeap } from './wasm-heap.js';
import { WasmLauncher } from './wasm-launcher.js';

type HeapSlot = Slot & { readonly address: number };

const sizeOf = ({ shape }: Slot): number => util.sizeFromShape([...shape]);

/** Values that a plan has left for the host, copied out of the work memory. */
type Values = {
  readonly variable?: string;
  readonly name: string;
  readonly values: Float32Array;
};

/** One tensor of all values. */
function readingOf(all: readonly Values[]): Reading {
  const numbers: number[] = [];
  const entries = all.map(({ variable, name, values }) => {
    const at = numbers.length;
    for (const value of values) numbers.push(value);
    return { variable, name, at, length: values.length };
  });
  return { tensor: keep(tensor1d(numbers)), entries };
}

export class WasmExecutor implements Executor {
  readonly name = 'wasm';
  readonly #heap: WasmHeap;
  readonly #launcher: WasmLauncher;
  /** Addresses to release: the step-wide factor's and the slots'. */
  readonly #allocated: number[] = [];
  /** The address of the step-wide factor. */
  readonly #gradientScale: number;

  constructor(heap: WasmHeap) {
    this.#heap = heap;
    this.#launcher = new WasmLauncher(heap);
    this.#gradientScale = this.#allocate(1);
  }

  create(_: string, shapes: SlotShapes): Slots<HeapSlot> {
    return mapValues(shapes, (shape) => {
      const size = sizeOf({ shape });
      const address = this.#allocate(size);
      this.#floats(address, size).fill(0);
      return { shape, address };
    });
  }

  step(jobs: readonly Job<HeapSlot>[], stepWide?: StepWide): Reading[] {
    const readings: Values[] = [];
    if (stepWide) this.#runStepWide(stepWide, jobs);
    for (const job of jobs) this.#runJob(job, readings);
    if (readings.length === 0) return [];
    if (stepWide)
      readings.push({ name: 'gradientScale', values: this.#floats(this.#gradientScale, 1) });
    return [readingOf(readings)];
  }

  read(slot: HeapSlot): Tensor {
    return tensor(this.#floats(slot.address, sizeOf(slot)).slice(), [...slot.shape]);
  }

  write({ address }: HeapSlot, values: Tensor): void {
    const data = values.dataSync<'float32'>();
    this.#floats(address, data.length).set(data);
  }

  dispose(): void {
    for (const address of this.#allocated.splice(0)) this.#heap.release(address);
    this.#launcher.release();
  }

  #allocate(floats: number): number {
    const address = this.#heap.allocate(4 * floats);
    this.#allocated.push(address);
    return address;
  }

  #floats(address: number, length: number): Float32Array {
    return new Float32Array(this.#heap.memory.buffer, address, length);
  }

  #runStepWide({ plan, values }: StepWide, jobs: readonly Job[]): void {
    jobs.forEach(({ gradient, layout }, i) => {
      const gradientAddress = this.#heap.readAddress(gradient!);
      const addressOf = ({ role }: Buffer): number =>
        role === 'gradient' ? gradientAddress : this.#gradientScale;
      this.#launcher.run(plan, layout, values, addressOf, i > 0);
    });
  }

  #runJob(
    { variable, gradient, slots, plan, layout, values }: Job<HeapSlot>,
    readings: Values[],
  ): void {
    const weightsAddress = this.#heap.writeAddress(variable);
    const gradientAddress = gradient ? this.#heap.readAddress(gradient) : 0;
    const addressOf = ({ role, name }: Buffer): number => {
      switch (role) {
        case 'variable':
          return weightsAddress;
        case 'gradient':
          return gradientAddress;
        case 'stepWide':
          return this.#gradientScale;
        default:
          return slots[name].address;
      }
    };
    const { offsets } = this.#launcher.run(plan, layout, values, addressOf);
    this.#heap.commit(variable);
    for (const [{ role, name, domain }, offset] of offsets) {
      if (role !== 'reading') continue;
      const length = domain === 'neuron' ? layout.neurons : 1;
      const view = this.#floats(this.#launcher.address + offset, length);
      readings.push({ variable: variable.name, name, values: view.slice() });
    }
  }
}
