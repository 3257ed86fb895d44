/** What the three rotational variants share. */
import type { Rule } from '../compiler/rule.js';
import {
  equilibriumRates,
  type EquilibriumRate,
  type EquilibriumValues,
} from '../rules/equilibrium.js';
import { rotationHyperparameters } from '../rules/rotation.js';
import type { RotationalForm } from '../rules/rotational.js';
import type { CommonOptions, Definition, Options } from './options.js';
import { checkRotates, rotation } from './rotates.js';
import { flag, oneOf } from '../schema.js';

export type RotationalOptions = CommonOptions & {
  /** Updates and weights without their mean, per neuron. Default true. */
  readonly zeroMean?: boolean;
  /** One norm and angle for each neuron; else one for the tensor. Default true. */
  readonly perNeuron?: boolean;
  /** Decay rate of the running mean of squared update norms, in [0, 1). Default 0.9. */
  readonly updateNormDecay?: number;
  /**
   * Whose equilibrium rotation is taken, or a function that gives radians a step (which cannot be
   * saved). Default: the inner optimizer's.
   */
  readonly equilibriumRate?: EquilibriumRate | ((values: EquilibriumValues) => number);
};

type CompleteOptions = Options & Required<Omit<RotationalOptions, keyof CommonOptions>>;

/** What the inner optimizer says of itself, with the rule that turns made from a form. */
type Inner = Omit<Definition, 'rotation' | 'checkFirst'> & {
  readonly equilibriumRate: EquilibriumRate;
  turning(form: RotationalForm, options: Options): Rule;
};

/** The definition of a rotational optimizer. */
export function rotationalDefinition(
  label: string,
  { equilibriumRate, turning, ...inner }: Inner,
): Definition {
  const rates = oneOf(...equilibriumRates);
  return {
    ...inner,
    hyperparameters: {
      ...inner.hyperparameters,
      zeroMean: flag(true),
      perNeuron: flag(true),
      ...rotationHyperparameters,
      equilibriumRate: {
        default: equilibriumRate,
        allowed: `be a function, or ${rates.allowed}`,
        accepts: (value) => typeof value === 'function' || rates.accepts(value),
      },
    },
    rotation(options: CompleteOptions) {
      const form = { ...options, averaged: options.updateNormDecay > 0 };
      return rotation(label, turning(form, options), form);
    },
    checkFirst: checkRotates(label),
  };
}
