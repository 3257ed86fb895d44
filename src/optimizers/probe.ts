/**
 * What an optimizer expects of a probe. Only the type is imported: an optimizer without a probe
 * carries none.
 */
import type { UpdateValues } from '../compiler/program.js';
import type { HostValues, Rule } from '../compiler/rule.js';
import type { Expression } from '../compiler/expression.js';
import type { Reading } from '../executors/executor.js';

/** What a probe may know of a variable: as before the update, in an object that will change. */
export type ProbedVariable = {
  readonly name: string;
  readonly rule: Rule;
  /** Updates before this one. */
  readonly count: number;
  /** What the rule's host was given in this step. */
  readonly hostValues: HostValues;
};

/** What reads the updates of an optimizer, such as an `UpdateProbe`. */
export type Probe = {
  /** Called once, when an optimizer takes the probe; throws if it has one. */
  attach(label: string): void;
  /**
   * Called when variables join the training, before the first step that has them, with all that are
   * trained and the names of all `registered` with tfjs. Throws if a variable that it is to read
   * does not exist.
   */
  select?(trained: readonly { readonly name: string }[], registered: readonly string[]): void;
  /** True if a variable is to be read in this step. */
  shouldRead(step: number, variableName: string): boolean;
  /** The values to read; throws if the rule cannot give one that was asked for. */
  readings(values: UpdateValues): Readonly<Record<string, Expression>>;
  /** Called after each step with its readings, if there are any; disposes their tensors. */
  record(step: number, variables: readonly ProbedVariable[], readings: readonly Reading[]): void;
  /** Called when the optimizer is disposed. */
  dispose(): void;
};
