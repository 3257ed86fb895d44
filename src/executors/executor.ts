/** What runs plans on a backend and owns the slots. Executors know no optimizer. */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';
import type { StepWideStage } from '../compiler/program.js';

/** One variable's update. */
export type Job = {
  readonly variable: Variable;
  readonly gradient: Tensor;
  readonly plan: Plan;
  readonly layout: Layout;
  /** The host values that the plan's scalars are computed from. */
  readonly values: Readonly<Record<string, number>>;
};

/** A step-wide stage with its host values. */
export type StepWide = { readonly stage: StepWideStage; readonly values: Readonly<Record<string, number>> };

/** What the readings of a step's plans were; they stay on the device until they are asked for. */
export type StepReading = {
  /** By variable name and reading: one number, or one for each neuron. */
  read(): Promise<{ readonly gradientScale: number; readonly variables: ReadonlyMap<string, Readonly<Record<string, ArrayLike<number>>>> }>;
  dispose(): void;
};

export interface Executor {
  readonly name: 'wasm' | 'webgpu' | 'ops';
  /** Makes the slots of a variable, all zero; `shapes` by slot name. */
  create(variableName: string, shapes: Readonly<Record<string, readonly number[]>>): void;
  /** Updates the jobs' variables and slots in place; gradients are only read. Gives a reading if a plan has any. */
  step(jobs: readonly Job[], stepWide?: StepWide): StepReading | undefined;
  /** Runs a plan that has no gradient on a variable and its slots. */
  prepare(variable: Variable, plan: Plan, layout: Layout, values: Readonly<Record<string, number>>): void;
  /** A copy of a slot as a tensor. */
  read(variableName: string, slot: string): Tensor;
  /** Copies a tensor of the slot's shape into the slot. */
  write(variableName: string, slot: string, tensor: Tensor): void;
  /** Frees all slots. */
  dispose(): void;
}
