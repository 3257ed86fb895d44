/** Which variables a rotational optimizer rotates. */
import { check, show } from '../check.js';
import type { Rule } from '../compiler/rule.js';
import type { Definition, Rotation } from './options.js';
import { isRotational } from './variable-state.js';

type RotationSettings = {
  /** True if updates and weights are without their mean. */
  readonly zeroMean: boolean;
  /** True for one angle a neuron, else one for the tensor. */
  readonly perNeuron: boolean;
  /** True if the angle does not come from the weight decay. */
  readonly givenRotation?: boolean;
};

/**
 * Turns a variable's weight vectors if its group says so, or if it has rank 2 or more and something
 * to derive the angle from. Vectors of one element (two, where they are centred) have no direction
 * to turn to.
 *
 * Source: the wrapper of Kosson et al. (arXiv 2305.17212) rotates what has weight decay and rank
 * above 1.
 */
export const rotationBy = (
  label: string,
  rule: Rule,
  { zeroMean, perNeuron, givenRotation = false }: RotationSettings,
): Rotation => ({
  rule,
  applies({ name, shape, weightDecay, rotational }, layout) {
    const hasAngle = weightDecay > 0 || givenRotation;
    check(
      rotational !== true || hasAngle,
      `${label}: variable ${show(name)}`,
      'rotational',
      'go with a weightDecay above 0 or a rotation, from which the angle comes',
      rotational,
    );
    return (
      (rotational ?? (shape.length >= 2 && hasAngle)) &&
      (perNeuron ? layout.fanIn : layout.size) >= (zeroMean ? 3 : 2)
    );
  },
});

/** Throws if none of the variables rotates. */
export const checkSomeRotate: Definition['checkFirst'] = (variables, label) => {
  if (variables.some(({ rule }) => isRotational(rule))) return;
  throw new Error(
    `${label}: would rotate none of ${variables.map(({ name }) => show(name)).join(', ')}; ` +
      'it needs variables of rank 2 or more with a weightDecay above 0 (or a rotation)',
  );
};
