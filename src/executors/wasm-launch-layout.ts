/** Where a WebAssembly kernel finds what in the work memory that it runs on. */
import type { Layout } from '../compiler/layout.js';
import type { Buffer, Plan } from '../compiler/plan.js';
import { bytesOf, layoutSizes, parameterBlockOf } from '../compiler/print-wasm.js';

/**
 * What does not change between the runs of a plan on tensors of one layout. Offsets count bytes
 * from the start of the work memory.
 */
export type LaunchLayout = {
  /** The sizes at the head of the parameter block. */
  readonly sizes: readonly number[];
  /** Where the parts of the parameter block begin, in words. */
  readonly block: ReturnType<typeof parameterBlockOf>;
  readonly blockOffset: number;
  /** The offsets of the buffers that do not outlive a run. */
  readonly offsets: ReadonlyMap<Buffer, number>;
  /** Bytes of the tensor sums, which come first. */
  readonly sumBytes: number;
  /** Bytes of work memory in all. */
  readonly bytes: number;
};

const isTensorSum = ({ role, domain }: Buffer): boolean => role === 'sum' && domain === 'tensor';

/** Lays out the buffers that do not outlive a run, tensor sums first, then the parameter block. */
export function layOutLaunch(plan: Plan, layout: Layout): LaunchLayout {
  let bytes = 0;
  const allocate = (size: number): number => {
    const offset = bytes;
    bytes += Math.ceil(size / 16) * 16;
    return offset;
  };
  const offsets = new Map<Buffer, number>();
  const place = (buffer: Buffer): void => {
    offsets.set(buffer, allocate(bytesOf(plan, buffer, layout)));
  };
  const buffers = plan.buffers.filter(({ role }) => ['sum', 'scratch', 'reading'].includes(role));
  buffers.filter(isTensorSum).forEach(place);
  const sumBytes = bytes;
  buffers.filter((buffer) => !isTensorSum(buffer)).forEach(place);
  const block = parameterBlockOf(plan);
  const blockOffset = allocate(4 * block.words);
  return { sizes: layoutSizes(plan, layout), block, blockOffset, offsets, sumBytes, bytes };
}
