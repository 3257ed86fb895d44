/** What a step on a given list of jobs encodes, and what it uploads. */
import type { Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';
import type { Job, Reading, Slot } from './executor.js';
import type { Arena, Place } from './webgpu-arena.js';
import type { Pipeline } from './webgpu-pipelines.js';

export type ArenaSlot = Slot & { readonly place: Place };
export type ArenaJob = Job<ArenaSlot>;

/** A plan's run on the variable of one job. */
export type PlanRun = {
  /** The index of the job. */
  readonly job: number;
  readonly plan: Plan;
  readonly layout: Layout;
  /** Where the plan's buffers begin in the arena, in words. */
  readonly offsets: readonly number[];
  /** Partial sums that a combine pass adds up, if they are not those of one variable. */
  readonly partialSums?: number;
};

export type Dispatch = {
  readonly pipeline: Pipeline;
  readonly arena: Arena;
  /** The offset of its parameter blocks among the step's, in words. */
  readonly parameters: number;
  readonly workgroups: readonly [number, number, number];
  /** The jobs whose weights it binds, and whose gradients. */
  readonly weights: readonly number[];
  readonly gradients: readonly number[];
  /** The bind group of all but the gradients, and the buffers that it was made for. */
  stable?: {
    readonly arena: GPUBuffer;
    readonly weights: readonly GPUBuffer[];
    readonly group: GPUBindGroup;
  };
};

/** A copy of one word between arenas. */
export type Copy = { readonly from: Place; readonly to: Place };

export type CommandPlan = {
  readonly jobs: readonly ArenaJob[];
  readonly stepWide: Plan | undefined;
  readonly actions: readonly (Dispatch | Copy)[];
  /** The word where each plan's scalars begin; the job gives their values, or the step-wide plan. */
  readonly scalars: readonly {
    readonly plan: Plan;
    readonly job: number;
    readonly word: number;
  }[];
  /** The readings of a step: the words of some places, one after the other. */
  readonly readings: readonly {
    readonly places: readonly Place[];
    readonly entries: Reading['entries'];
  }[];
  /** All parameter blocks of a step; their scalars are still 0. */
  readonly words: Uint32Array<ArrayBuffer>;
};
