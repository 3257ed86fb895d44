/**
 * What a WebAssembly kernel finds in memory: its parameter block and its buffers.
 *
 * A kernel has one parameter, the address of its parameter block, which holds words of four bytes:
 * the sizes of the tensor, then a pointer to each buffer of the plan, then the scalars of the step.
 */
import type { Layout } from './layout.js';
import { hasNeurons, loadsOf, type Buffer, type Plan } from './plan.js';

/**
 * The order in which element stages take the elements. `columns`: neighbouring elements belong to
 * neighbouring neurons, and a row of the tensor goes with a row of neuron values. `runs`:
 * neighbouring elements belong to one neuron, or the plan has no neurons and the whole tensor is
 * one run.
 */
export type LoopOrder = 'columns' | 'runs';

export const loopOrderOf = (plan: Plan, { after }: Layout): LoopOrder =>
  hasNeurons(plan) && after === 1 ? 'columns' : 'runs';

/** Elements of a block of neurons: the data of an optimizer step then fit a second-level cache. */
const cacheBlock = 8192;

/** The sizes at the head of a parameter block, in this order; see `viewOf`. */
export const sizeNames = [
  'before',
  'neuronsOuter',
  'between',
  'neuronsInner',
  'after',
  'neurons',
  'block',
] as const;

/** Where pointers and scalars begin in a parameter block, and its length, in words. */
export function parameterBlockOf({ buffers, scalars }: Plan) {
  const afterPointers = sizeNames.length + buffers.length;
  return {
    pointers: sizeNames.length,
    scalars: afterPointers,
    words: afterPointers + scalars.length,
  };
}

/**
 * True if no sweep waits for a value of the whole tensor: then neurons can be finished one after
 * the other.
 */
export const isLocal = ({ stages }: Plan): boolean =>
  stages.every(
    (stage) =>
      stage.domain === 'tensor' ||
      !loadsOf(stage).some(
        ({ domain, role }) => domain === 'tensor' && (role === 'sum' || role === 'scratch'),
      ),
  );

const oneRun = { before: 1, neuronsOuter: 1, between: 1, neuronsInner: 1, neurons: 1 };

/**
 * The layout as the kernel sees it, with `block`, the number of neurons that all stages finish
 * before the first stage takes the next ones, and the number of values that a scratch buffer holds.
 */
function viewOf(plan: Plan, layout: Layout) {
  const { size } = layout;
  const view = hasNeurons(plan) ? layout : { ...layout, ...oneRun, after: size };
  const neuronsLead = view.before * view.neuronsOuter === 1;
  if (!neuronsLead || loopOrderOf(plan, layout) === 'columns' || !isLocal(plan))
    return { ...view, block: view.neuronsInner, scratch: size };
  const block = Math.max(1, Math.floor(cacheBlock / Math.max(1, view.after)));
  return { ...view, block, scratch: Math.min(size, block * view.after) };
}

/** The sizes at the head of a parameter block. */
export function layoutSizes(plan: Plan, layout: Layout): number[] {
  const view = viewOf(plan, layout);
  return sizeNames.map((name) => view[name]);
}

function valuesIn(plan: Plan, { role, domain }: Buffer, layout: Layout): number {
  if (domain === 'neuron') return layout.neurons;
  if (domain === 'tensor') return 1;
  return role === 'scratch' ? viewOf(plan, layout).scratch : layout.size;
}

/**
 * Bytes of a buffer. A buffer of n sums holds n float32 results, then n float64 accumulators, then
 * n float32 accumulators, which only `columns` use.
 */
export const bytesOf = (plan: Plan, buffer: Buffer, layout: Layout): number =>
  (buffer.role === 'sum' ? 16 : 4) * valuesIn(plan, buffer, layout);
