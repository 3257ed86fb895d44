/**
 * A correction of the update's size that a rule can take: only the type is imported, so that a rule
 * without one carries none.
 */
import type { DeviceDomain, Expression, Operand } from '../compiler/expression.js';
import type { HostValues, Values } from '../compiler/rule.js';

export type Correction = {
  /** What it keeps between steps. */
  readonly slots: Readonly<Record<string, DeviceDomain>>;
  /** Its scalars; `beta` is the decay rate of the rule's momentum. */
  readonly host: (values: HostValues, beta: number) => Readonly<Record<string, number>>;
  /** The values are the gradient `g`, the updated running mean `momentum` of it, and the slots. */
  readonly correct: (values: Values, scalars: Values) => Corrected;
};

export type Corrected = {
  /**
   * Multiplies an expression by the factor. A rule applies it to its step in the sweep over
   * elements, which can use a stored factor at once.
   */
  readonly scale: (x: Operand) => Expression;
  /** The new values of the slots. */
  readonly slots: Values;
};
