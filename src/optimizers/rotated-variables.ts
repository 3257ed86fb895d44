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
  obstacle({ name, shape, weightDecay, rotational, learningRateScale }, { fanIn, size }) {
    const hasAngle = weightDecay > 0 || givenRotation;
    check(
      rotational !== true || hasAngle,
      `${label}: variable ${show(name)}`,
      'rotational',
      'go with a weightDecay above 0 or a rotation, from which the angle comes',
      rotational,
    );
    // A rotational step puts weights back to their norm, even if it turns by nothing; the plain one
    // leaves frozen weights as they are.
    if (learningRateScale === 0) return 'its group has learningRateScale: 0';
    if (rotational === false) return 'its group has rotational: false';
    if (rotational === undefined && shape.length < 2) return `its rank is ${shape.length}`;
    if (!hasAngle) return 'its weightDecay is 0';
    const elements = perNeuron ? fanIn : size;
    const needed = zeroMean ? 3 : 2;
    if (elements >= needed) return undefined;
    return (
      `its ${perNeuron ? 'fan-in' : 'size'} is ${elements}, ` +
      `and must be at least ${needed}${zeroMean ? ' with zeroMean' : ''}`
    );
  },
});

/** Throws if there are variables that learn and none of them rotates; says of each why. */
export const checkSomeRotate: Definition['checkFirst'] = (variables, label) => {
  const learn = variables.some(({ settings }) => settings.learningRateScale > 0);
  if (!learn || variables.some(({ rule }) => isRotational(rule))) return;
  const reasons = variables.map(({ name, obstacle }) => `${show(name)}: ${obstacle}`);
  throw new Error(
    `${label}: would rotate none of ${variables.map(({ name }) => show(name)).join(', ')}; ` +
      'it needs variables of rank 2 or more with a weightDecay above 0 (or a rotation). ' +
      reasons.join('; '),
  );
};
