/** How workgroups divide a tensor, and what compute shaders find in memory. */
import type { Layout } from './layout.js';
import { hasNeurons, type Buffer, type Plan } from './plan.js';

export const workgroupSize = 256;

/** The sizes at the head of a parameter block, in this order. */
export const sizeNames = [
  'size',
  'before',
  'neuronsOuter',
  'between',
  'neuronsInner',
  'after',
  'neurons',
  'stretch',
  'groups',
] as const;

/** How a workgroup of a sweep takes the neurons of a plan. */
export type Tile = {
  /** Neurons of a workgroup; 0 where the plan has no neurons. */
  readonly neurons: number;
  /**
   * True if neighbouring threads take neighbouring neurons, false if they take neighbouring
   * elements of one neuron.
   */
  readonly across: boolean;
};

export const tileOf = (plan: Plan, layout: Layout): Tile => ({
  neurons: hasNeurons(plan) ? neuronsAtOnce(layout) : 0,
  across: layout.after === 1,
});

function neuronsAtOnce({ after, neuronsInner, fanIn }: Layout): number {
  if (after === 1) return neuronsInner >= 32 ? 32 : 8;
  return fanIn >= workgroupSize ? 1 : 16;
}

/**
 * Elements that a workgroup takes: few where they are independent, more where each group leaves a
 * partial sum.
 */
const stretchOf = ({ stages }: Plan, { size }: Layout): number =>
  stages.some(({ sums }) => sums.length > 0)
    ? Math.max(16 * workgroupSize, Math.ceil(size / 1024 / workgroupSize) * workgroupSize)
    : 4 * workgroupSize;

/** Workgroups of a sweep over one variable. */
export const groupsOf = (plan: Plan, layout: Layout): number => {
  const { neurons } = tileOf(plan, layout);
  return Math.ceil(neurons > 0 ? layout.neurons / neurons : layout.size / stretchOf(plan, layout));
};

/** The sizes at the head of a parameter block; `groups` leave partial sums. */
export const wgslSizes = (plan: Plan, layout: Layout, groups = groupsOf(plan, layout)): number[] =>
  sizeNames.map((name) => ({ ...layout, stretch: stretchOf(plan, layout), groups })[name]);

/** Where the scalars stand in a parameter block, in words. */
export const scalarsAt = ({ buffers }: Plan): number => sizeNames.length + buffers.length;

/** Words of a parameter block. */
export const blockWords = (plan: Plan): number => scalarsAt(plan) + plan.scalars.length;

/**
 * Words of the arena that a buffer needs: a sum of the tensor has its value, then a partial sum for
 * each workgroup.
 */
export function wordsOf(plan: Plan, { domain, role }: Buffer, layout: Layout): number {
  if (domain === 'element') return layout.size;
  if (domain === 'neuron') return layout.neurons;
  return role === 'sum' ? 1 + groupsOf(plan, layout) : 1;
}
