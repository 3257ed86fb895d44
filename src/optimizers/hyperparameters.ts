/** An optimizer's own options: a default and what is allowed. */
import { check, checkNumber } from '../check.js';
import { checkRate } from './learning-rate.js';

export type Hyperparameter<T = unknown> = {
  /** undefined for options that are off unless given. */
  readonly default: T;
  readonly check: (owner: string, option: string, value: unknown) => void;
  /** True if a schedule or a function of the step may stand for the number. */
  readonly scheduled?: boolean;
};

/** A number in an interval, written as in mathematics. */
export const inInterval = (value: number, interval: string): Hyperparameter<number> => ({
  default: value,
  check: (owner, option, given) => checkNumber(owner, option, given, interval),
});

export const flag = (value: boolean): Hyperparameter<boolean> => ({
  default: value,
  check: (owner, option, given) => check(typeof given === 'boolean', owner, option, 'be true or false', given),
});

export const oneOf = (value: string, allowed: readonly string[]): Hyperparameter<string> => ({
  default: value,
  check: (owner, option, given) => check(allowed.includes(given as string), owner, option, `be one of ${allowed.map((name) => `'${name}'`).join(', ')}`, given),
});

/** A decay rate of a running mean. */
export const beta = (value: number): Hyperparameter<number> => inInterval(value, '[0, 1)');

/** The term that keeps a divisor from zero. */
export const epsilon = /* @__PURE__ */ inInterval(1e-8, '[0, Infinity)');

/** A number of at least 0, or a schedule of such; off unless given. */
export const scheduled: Hyperparameter<undefined> = { default: undefined, check: checkRate, scheduled: true };
