/** Which parts of its state an optimizer starts anew. */
import { mapValues } from '../map-values.js';
import { flag, parseOptions } from '../schema.js';

/**
 * Options of `reset`: what starts anew. What is left out does not if another is true, and does if
 * none is.
 */
export type ResetOptions = {
  /** What the rule measures of the weights before their first step: the norms that it keeps. */
  readonly norms?: boolean;
  /** All else that the rule keeps, such as m and v. */
  readonly moments?: boolean;
  /** The updates so far, by which biases of the moments are corrected. */
  readonly counts?: boolean;
};

const schema = {
  norms: /* @__PURE__ */ flag(),
  moments: /* @__PURE__ */ flag(),
  counts: /* @__PURE__ */ flag(),
};

/** Every option with its value; throws for one that is unknown or neither true nor false. */
export function parseReset(label: string, options: ResetOptions): Required<ResetOptions> {
  const given = parseOptions(`${label}: reset`, schema, options);
  const usual = !Object.values(given).includes(true);
  return mapValues(schema, (_, name) => given[name] ?? usual) as Required<ResetOptions>;
}
