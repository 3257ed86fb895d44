/** Warmup, plateau, cooldown, floor: what `wsd`, `trapezoid` and `warmupCosine` share. */

import { refuse } from '../check.js';
import { lerp } from './lerp.js';
import { checkAmount } from './schedule.js';
import type { UnitFunction } from './shapes.js';

/** The boundaries and heights of the four phases; the caller has checked them. */
export type Phases = {
  peak: number;
  floor: number;
  warmupSteps: number;
  cooldownSteps: number;
  totalSteps: number;
};

/**
 * The value at each step of the four phases.
 *
 * The floor belongs to the cooldown alone: the warmup starts from 0, and nothing falls below the
 * floor only to jump back up to it.
 */
export function phases(
  { peak, floor, warmupSteps, cooldownSteps, totalSteps }: Phases,
  rise: UnitFunction,
  fall: UnitFunction,
): (step: number) => number {
  const cooldownStart = totalSteps - cooldownSteps;
  return (step) => {
    if (step < warmupSteps) return lerp(0, peak, rise((step + 1) / warmupSteps));
    if (step < cooldownStart) return peak;
    if (step < totalSteps) return lerp(floor, peak, fall((totalSteps - step) / cooldownSteps));
    return floor;
  };
}

/** Throws unless there is a step: with none the value would be the floor from the start. */
export function checkTotalSteps(label: string, totalSteps: unknown): void {
  checkAmount(label, 'totalSteps', totalSteps, 1);
  if (totalSteps === 0)
    refuse(label, 'totalSteps', 'be at least 1, such as batches times epochs', totalSteps);
}

/**
 * The whole part of `fraction` of `total`, forgiving the rounding error of
 * .29 * 100 = 28.999999999999996.
 */
export const stepsOf = (fraction: number, total: number): number =>
  Math.floor(fraction * total * (1 + Number.EPSILON));
