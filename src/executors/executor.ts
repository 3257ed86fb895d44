/** An executor runs plans on one backend and owns the slots. Executors know no optimizer. */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';

/** A slot of a variable; where its values are, only its executor knows. */
export type Slot = { readonly shape: readonly number[] };

/** The shapes of a variable's slots, by name. */
export type SlotShapes = Readonly<Record<string, readonly number[]>>;

/** The slots of a variable, by name. */
export type Slots<S extends Slot = Slot> = Readonly<Record<string, S>>;

/** A plan to run on one variable. */
export type Job<S extends Slot = Slot> = {
  readonly variable: Variable;
  /** Left out where the plan reads none. */
  readonly gradient?: Tensor;
  readonly slots: Slots<S>;
  readonly plan: Plan;
  readonly layout: Layout;
  /** The host values that the plan's scalars are computed from. */
  readonly values: Readonly<Record<string, number>>;
};

/**
 * A plan that runs over the gradient of each job in turn, before the jobs' own plans. Its tensor
 * sums accumulate over all gradients; the result is the factor that scales every gradient.
 */
export type StepWide = { readonly plan: Plan; readonly values: Readonly<Record<string, number>> };

/**
 * Numbers that the plans of a step wrote to `reading` buffers, in one tensor on the backend. The
 * receiver disposes the tensor.
 */
export type Reading = {
  readonly tensor: Tensor;
  /** What the tensor's elements are; the step-wide factor belongs to no variable. */
  readonly entries: readonly {
    readonly variable?: string;
    readonly name: string;
    /** The index of the first element. */
    readonly at: number;
    readonly length: number;
  }[];
};

/** What runs the updates: fused kernels, or tfjs operations. */
export type ExecutorName = 'wasm' | 'webgpu' | 'ops';

export interface Executor {
  readonly name: ExecutorName;
  /** Makes the slots of a variable, all zero. */
  create(variableName: string, shapes: SlotShapes): Slots;
  /**
   * Runs the jobs' plans on variables and slots, in place; gradients are only read. Returns the
   * readings of the plans.
   */
  step(jobs: readonly Job[], stepWide?: StepWide): Reading[];
  /** A copy of a slot as a tensor. */
  read(slot: Slot): Tensor;
  /** Copies a tensor of the slot's shape into the slot. */
  write(slot: Slot, tensor: Tensor): void;
  /** Frees all slots. */
  dispose(): void;
}
