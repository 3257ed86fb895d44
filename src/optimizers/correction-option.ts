/**
 * The option `rrc` of AdamW, LionA and LionAR. Only the type of its value is imported: an optimizer
 * without a correction carries none of its code.
 */
import type { Option } from '../schema.js';
import type { RRC } from './make-rrc.js';
import type { CommonOptions } from './options.js';

export const correctionOption: Option = {
  allowed: 'be a correction that rrc() gave',
  accepts: (value) => typeof (value as RRC | null)?.correct === 'function',
};

/** The host values of a step that a correction needs. */
export const correctionStepValues = (
  { rrc }: CommonOptions & { readonly rrc?: RRC },
  step: number,
): Readonly<Record<string, number>> | undefined => rrc?.stepValues(step);
