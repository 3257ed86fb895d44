/**
 * The WGSL printer: a plan as compute shaders.
 *
 * A plan becomes passes (wgsl-passes.ts), cut where what follows needs a value of the whole tensor.
 * Sweep passes (wgsl-sweep.ts) run over elements, of which a workgroup takes a stretch, or over
 * neurons, of which a workgroup takes a tile and does all their sweeps in one dispatch. A combine
 * pass (wgsl-combine.ts) follows where tensor values are computed: one workgroup for each variable
 * adds up the partial sums of the sweep's workgroups first. There are no atomics, so that results
 * repeat bit for bit.
 *
 * The plan of AdamW is one sweep pass over elements, which takes several variables in one dispatch.
 *
 * All memory but weights and gradients is one arena of float32. Each variable has a parameter block
 * (wgsl-memory.ts) that says where its values are: sizes, then the offsets of its buffers in the
 * arena, then its scalars.
 */
export { printCombine, type Combine } from './wgsl-combine.js';
export { groupsOf, scalarsAt, tileOf, wgslSizes, wordsOf, type Tile } from './wgsl-memory.js';
export { cutPlan, type Pass } from './wgsl-passes.js';
export { printSweep } from './wgsl-sweep.js';
