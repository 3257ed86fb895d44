/**
 * The option `rrc`. Only the type of its value is imported: who trains without a correction carries
 * none.
 */
import type { CommonOptions } from './options.js';
import type { Option } from '../schema.js';
import type { RRC } from './rrc.js';

export const correctionOption: Option = {
  allowed: 'be a correction that rrc() gave',
  accepts: (value) => typeof (value as RRC | null)?.correct === 'function',
};

export const correctionNumbers = (
  { rrc }: CommonOptions & { readonly rrc?: RRC },
  step: number,
): Readonly<Record<string, number>> | undefined => rrc?.numbers(step);
