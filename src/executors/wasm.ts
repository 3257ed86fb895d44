/** The executor of fused WebAssembly kernels, on the memory that a heap gives it. */
import { keep, tensor, tensor1d, util, type Tensor } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Buffer, Plan } from '../compiler/plan.js';
import {
  bytesOf,
  loopOrderOf,
  printWasm,
  parameterBlockOf,
  layoutSizes,
  type LoopOrder,
} from '../compiler/print-wasm.js';
import { getOrMake } from '../get-or-make.js';
import { mapValues } from '../map-values.js';
import type { Executor, Job, Reading, Slot } from './executor.js';
import type { WasmHeap } from './wasm-heap.js';

type HeapSlot = Slot & { readonly address: number };
type WasmKernel = (record: number) => void;

/** What does not change between the runs of a plan on tensors of one layout. */
type LaunchLayout = {
  readonly kernel: WasmKernel;
  readonly sizes: readonly number[];
  /** Where things stand in the record, in words. */
  readonly words: ReturnType<typeof parameterBlockOf>;
  /**
   * Where the buffers stand that do not outlive a run, and how many bytes at the beginning are sums
   * of the tensor.
   */
  readonly offsets: ReadonlyMap<Buffer, number>;
  readonly totals: number;
  /** Where the record stands. */
  readonly record: number;
  readonly bytes: number;
};

const wordBytes = 4;

export function wasmExecutor(heap: WasmHeap): Executor {
  const kernels = new Map<Plan, Map<LoopOrder, WasmKernel>>();
  const launches = new Map<Plan, Map<Layout, LaunchLayout>>();
  const allocated: number[] = [];
  const allocate = (bytes: number): number => {
    const address = heap.allocate(bytes);
    allocated.push(address);
    return address;
  };
  const floats = (address: number, length: number): Float32Array =>
    new Float32Array(heap.memory.buffer, address, length);

  const scale = allocate(wordBytes);
  /** The memory of the kernel that runs: dead after each variable's update. */
  const region = { address: 0, bytes: 0 };

  const launchOf = (plan: Plan, layout: Layout): LaunchLayout =>
    getOrMake(
      getOrMake(launches, plan, () => new Map<Layout, LaunchLayout>()),
      layout,
      () => {
        const form = loopOrderOf(plan, layout);
        let bytes = 0;
        const place = (size: number): number => {
          const at = bytes;
          bytes += Math.ceil(size / 16) * 16;
          return at;
        };
        const inside = plan.buffers.filter(
          ({ role }) => role === 'sum' || role === 'scratch' || role === 'reading',
        );
        const isTotal = ({ role, domain }: Buffer): boolean =>
          role === 'sum' && domain === 'tensor';
        const placed = (buffers: readonly Buffer[]) =>
          buffers.map((buffer) => [buffer, place(bytesOf(plan, buffer, layout))] as const);
        const first = placed(inside.filter(isTotal));
        const totals = bytes;
        const offsets = new Map([...first, ...placed(inside.filter((buffer) => !isTotal(buffer)))]);
        const kernel = getOrMake(
          getOrMake(kernels, plan, () => new Map<LoopOrder, WasmKernel>()),
          form,
          () => {
            const { memory, shared } = heap;
            const module = new WebAssembly.Module(printWasm(plan, form, shared));
            return new WebAssembly.Instance(module, { env: { memory } }).exports.step as WasmKernel;
          },
        );
        const words = parameterBlockOf(plan);
        return {
          kernel,
          sizes: layoutSizes(plan, layout),
          words,
          offsets,
          totals,
          record: place(wordBytes * words.words),
          bytes,
        };
      },
    );

  /**
   * Runs a plan's kernel; `outside` gives the addresses of buffers that outlive it. Sums `goOn`
   * from the plan's run before.
   */
  const run = (
    plan: Plan,
    layout: Layout,
    values: Job['values'],
    outside: (buffer: Buffer) => number,
    goOn = false,
  ): LaunchLayout => {
    const launch = launchOf(plan, layout);
    if (launch.bytes > region.bytes) {
      if (region.bytes > 0) heap.release(region.address);
      region.bytes = 0;
      region.address = heap.allocate(launch.bytes);
      region.bytes = launch.bytes;
    }
    const { address } = region;
    if (!goOn) floats(address, launch.totals / wordBytes).fill(0);
    const { pointers, scalars, words } = launch.words;
    const record = floats(address + launch.record, words);
    const integers = new Int32Array(record.buffer, record.byteOffset, words);
    integers.set(launch.sizes);
    plan.buffers.forEach((buffer, i) => {
      const offset = launch.offsets.get(buffer);
      integers[pointers + i] = offset === undefined ? outside(buffer) : address + offset;
    });
    plan.writeScalars(values, record, scalars);
    launch.kernel(record.byteOffset);
    return launch;
  };

  return {
    name: 'wasm',

    create(_, shapes) {
      return mapValues(shapes, (shape) => {
        const size = util.sizeFromShape([...shape]);
        const address = allocate(wordBytes * size);
        floats(address, size).fill(0);
        return { shape, address };
      });
    },

    step(jobs: readonly Job<HeapSlot>[], stepWide) {
      const numbers: number[] = [];
      const entries: Reading['entries'][number][] = [];
      const leave = (name: string, address: number, length: number, variable?: string): void => {
        entries.push({ variable, name, at: numbers.length, length });
        for (const value of floats(address, length)) numbers.push(value);
      };
      if (stepWide) {
        const { plan, values } = stepWide;
        jobs.forEach(({ gradient, layout }, i) => {
          const g = heap.read(gradient!);
          run(plan, layout, values, ({ role }) => (role === 'gradient' ? g : scale), i > 0);
        });
      }
      for (const { variable, gradient, slots, plan, layout, values } of jobs) {
        // Both may make the memory grow.
        const [w, g] = [heap.borrow(variable), gradient ? heap.read(gradient) : 0];
        const { offsets } = run(plan, layout, values, ({ role, name }) =>
          role === 'variable'
            ? w
            : role === 'gradient'
              ? g
              : role === 'stepWide'
                ? scale
                : slots[name].address,
        );
        heap.giveBack(variable);
        for (const [{ role, name, domain }, offset] of offsets) {
          if (role === 'reading')
            leave(
              name,
              region.address + offset,
              domain === 'neuron' ? layout.neurons : 1,
              variable.name,
            );
        }
      }
      if (entries.length === 0) return [];
      if (stepWide) leave('gradientScale', scale, 1);
      return [{ tensor: keep(tensor1d(numbers)), entries }];
    },

    read: ({ address, shape }: HeapSlot): Tensor =>
      tensor(floats(address, util.sizeFromShape([...shape])).slice(), [...shape]),

    write({ address }: HeapSlot, values) {
      const data = values.dataSync<'float32'>();
      floats(address, data.length).set(data);
    },

    dispose() {
      for (const address of [...allocated.splice(0), ...(region.bytes > 0 ? [region.address] : [])])
        heap.release(address);
      region.bytes = 0;
    },
  };
}
