/** What runs plans on a backend and owns the slots. Executors know no optimizer. */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';

/** A slot of a variable; where its values are, only its executor knows. */
export type Slot = { readonly shape: readonly number[] };

/** The slots of a variable, by name. */
export type Slots<Kept extends Slot = Slot> = Readonly<Record<string, Kept>>;

/** A plan to run on one variable. */
export type Job<Kept extends Slot = Slot> = {
  readonly variable: Variable;
  /** Left out where the plan reads none. */
  readonly gradient?: Tensor;
  readonly slots: Slots<Kept>;
  readonly plan: Plan;
  readonly layout: Layout;
  /** The host values that the plan's scalars are computed from. */
  readonly values: Readonly<Record<string, number>>;
};

/**
 * A plan over the gradients of all jobs, whose sums go on from one to the next; it gives the
 * step-wide factor.
 */
export type StepWide = { readonly plan: Plan; readonly values: Readonly<Record<string, number>> };

/**
 * Numbers that the plans of a step have given to `reading` buffers, still on the backend; who gets
 * the tensor disposes it.
 */
export type Reading = {
  readonly tensor: Tensor;
  /** Which stretch is whose; the step-wide factor has no variable. */
  readonly entries: readonly {
    readonly variable?: string;
    readonly name: string;
    readonly at: number;
    readonly length: number;
  }[];
};

export interface Executor {
  readonly name: 'wasm' | 'webgpu' | 'ops';
  /** Makes the slots of a variable, all zero. */
  create(variableName: string, shapes: Readonly<Record<string, readonly number[]>>): Slots;
  /**
   * Runs the jobs' plans on variables and slots, in place; gradients are only read. Gives what the
   * plans leave for the host.
   */
  step(jobs: readonly Job[], stepWide?: StepWide): Reading[];
  /** A copy of a slot as a tensor. */
  read(slot: Slot): Tensor;
  /** Copies a tensor of the slot's shape into the slot. */
  write(slot: Slot, tensor: Tensor): void;
  /** Frees all slots. */
  dispose(): void;
}
