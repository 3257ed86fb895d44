/** Kinds of options that only probes have; the others are in src/schema.ts. */
import { Tensor } from '@tensorflow/tfjs-core';
import type { Option } from '../schema.js';
import { kindOf } from '../kind-of.js';

/** One of these names, by default the first. */
export const either = (...names: readonly string[]): Option => {
  const quoted = names.map((name) => `'${name}'`);
  return {
    default: names[0],
    allowed: `be ${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`,
    accepts: (given) => names.includes(given as string),
  };
};

/** A tensor, which must be given. */
export const tensorOption: Option = {
  required: true,
  allowed: 'be a tensor',
  accepts: (given) => given instanceof Tensor,
  describe: kindOf,
};

/** A function; `of` says what it takes or gives. */
export const functionOption = (of: string, value?: unknown): Option => ({
  default: value,
  allowed: `be a function ${of}`,
  accepts: (given) => typeof given === 'function',
});
