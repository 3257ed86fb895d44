/** What the three rotational variants share: their options and their definition. */
import type { Rule } from '../compiler/rule.js';
import {
  equilibriumRates,
  type EquilibriumRate,
  type EquilibriumValues,
} from '../rules/equilibrium.js';
import { rotationHyperparameters } from '../rules/rotation.js';
import type { RotationalForm } from '../rules/rotational.js';
import { flag, oneOf } from '../schema.js';
import type { CommonOptions, Definition, Options } from './options.js';
import { checkSomeRotate, rotationBy } from './rotated-variables.js';

/** Options of the rotational variants. */
export type RotationalOptions = CommonOptions & {
  /**
   * Updates and weights without their mean, per neuron.
   * @defaultValue true
   */
  readonly zeroMean?: boolean;
  /**
   * One norm and angle for each neuron; else one for the tensor.
   * @defaultValue true
   */
  readonly perNeuron?: boolean;
  /**
   * Decay rate of the running mean of squared update norms, in [0, 1).
   * @defaultValue 0.9
   */
  readonly updateNormDecay?: number;
  /**
   * Whose equilibrium rotation is taken, or a function that gives radians a step (which cannot be
   * saved).
   * @defaultValue the inner optimizer's
   */
  readonly equilibriumRate?: EquilibriumRate | ((values: EquilibriumValues) => number);
};

type CompleteOptions = Options & Required<Omit<RotationalOptions, keyof CommonOptions>>;

/** What sets the inner optimizer apart, with its rotational rule. */
type Inner = Omit<Definition, 'rotation' | 'checkFirst'> & {
  readonly equilibriumRate: EquilibriumRate;
  rotationalRule(settings: RotationalForm, options: Options): Rule;
};

/** The definition of a rotational optimizer. */
export function rotationalDefinition({
  equilibriumRate,
  rotationalRule,
  ...inner
}: Inner): Definition {
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
    rotation(options: CompleteOptions, label) {
      const settings = { ...options, averaged: options.updateNormDecay > 0 };
      return rotationBy(label, rotationalRule(settings, options), settings);
    },
    checkFirst: checkSomeRotate,
  };
}
