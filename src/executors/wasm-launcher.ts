/** Runs WebAssembly kernels: compiles them, writes their parameters, and lends them work memory. */
import type { Layout } from '../compiler/layout.js';
import type { Buffer, Plan } from '../compiler/plan.js';
import { loopOrderOf, printWasm, type LoopOrder } from '../compiler/print-wasm.js';
import { getOrMake } from '../get-or-make.js';
import type { Job } from './executor.js';
import type { WasmHeap } from './wasm-heap.js';
import { layOutLaunch, type LaunchLayout } from './wasm-launch-layout.js';

type Kernel = (parameterBlock: number) => void;
type Launch = LaunchLayout & { readonly kernel: Kernel };

const newMap = <K, V>(): Map<K, V> => new Map<K, V>();

export class WasmLauncher {
  readonly #heap: WasmHeap;
  readonly #kernels = new Map<Plan, Map<LoopOrder, Kernel>>();
  readonly #launches = new Map<Plan, Map<Layout, Launch>>();
  /** The work memory: what it holds is dead once the next kernel runs. */
  #address = 0;
  #bytes = 0;

  constructor(heap: WasmHeap) {
    this.#heap = heap;
  }

  /** The address of the work memory. */
  get address(): number {
    return this.#address;
  }

  /**
   * Runs a plan's kernel. `addressOf` gives the addresses of the buffers that outlive the run. With
   * `accumulate`, tensor sums are added to those of the run before, which was of the same plan.
   */
  run(
    plan: Plan,
    layout: Layout,
    values: Job['values'],
    addressOf: (buffer: Buffer) => number,
    accumulate = false,
  ): LaunchLayout {
    const launch = getOrMake(
      getOrMake(this.#launches, plan, newMap<Layout, Launch>),
      layout,
      () => ({ ...layOutLaunch(plan, layout), kernel: this.#kernelOf(plan, layout) }),
    );
    this.#reserve(launch.bytes);
    const { buffer } = this.#heap.memory;
    const address = this.#address;
    if (!accumulate) new Float32Array(buffer, address, launch.sumBytes / 4).fill(0);

    const { block, offsets } = launch;
    const blockAddress = address + launch.blockOffset;
    const floats = new Float32Array(buffer, blockAddress, block.words);
    const integers = new Int32Array(buffer, blockAddress, block.words);
    integers.set(launch.sizes);
    plan.buffers.forEach((each, i) => {
      const offset = offsets.get(each);
      integers[block.pointers + i] = offset === undefined ? addressOf(each) : address + offset;
    });
    plan.writeScalars(values, floats, block.scalars);
    launch.kernel(blockAddress);
    return launch;
  }

  /** Frees the work memory. */
  release(): void {
    if (this.#bytes > 0) this.#heap.release(this.#address);
    this.#bytes = 0;
  }

  #kernelOf(plan: Plan, layout: Layout): Kernel {
    const order = loopOrderOf(plan, layout);
    return getOrMake(getOrMake(this.#kernels, plan, newMap<LoopOrder, Kernel>), order, () => {
      const { memory, shared } = this.#heap;
      const module = new WebAssembly.Module(printWasm(plan, order, shared));
      return new WebAssembly.Instance(module, { env: { memory } }).exports.step as Kernel;
    });
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes) return;
    // Released first: if the heap has no room, nothing is left to be released twice.
    this.release();
    this.#address = this.#heap.allocate(bytes);
    this.#bytes = bytes;
  }
}
