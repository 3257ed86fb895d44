/** What the three rotational variants share. */
import { check } from '../check.js';
import type { Rule } from '../compiler/rule.js';
import { equilibriumRates, type EquilibriumRate, type EquilibriumValues } from '../rules/equilibrium.js';
import type { RotationalForm } from '../rules/rotational.js';
import { beta, flag, type Hyperparameter } from './hyperparameters.js';
import type { CommonOptions, Definition } from './options.js';
import { rotates } from './rotates.js';

export type RotationalOptions = CommonOptions & {
  /** Updates and weights without their mean, per neuron. Default true. */
  readonly zeroMean?: boolean;
  /** One norm and angle for each neuron; else one for the tensor. Default true. */
  readonly perNeuron?: boolean;
  /** Decay rate of the running mean of squared update norms, in [0, 1). Default 0.9. */
  readonly updateNormDecay?: number;
  /** Whose equilibrium rotation is taken, or a function that gives radians a step (which cannot be saved). Default: the inner optimizer's. */
  readonly equilibriumRate?: EquilibriumRate | ((values: EquilibriumValues) => number);
};

const equilibriumRateOption = (rate: EquilibriumRate): Hyperparameter => ({
  default: rate,
  check: (owner, option, value) => check(typeof value === 'function' || equilibriumRates.includes(value as EquilibriumRate), owner, option, `be a function or one of ${equilibriumRates.map((name) => `'${name}'`).join(', ')}`, value),
});

export const rotationalForm = ({ zeroMean = true, perNeuron = true, updateNormDecay = 0.9, equilibriumRate }: RotationalOptions, inner: EquilibriumRate): RotationalForm => ({
  zeroMean,
  perNeuron,
  averaged: updateNormDecay > 0,
  equilibriumRate: equilibriumRate ?? inner,
});

/** The definition of a rotational optimizer from its two rules. */
export function rotationalDefinition(owner: string, form: RotationalForm, rules: { readonly plain: Rule; readonly turning: Rule }, inner: EquilibriumRate, definition: Omit<Definition, 'rule' | 'expected'>): Definition {
  const { plain, turning } = rules;
  return {
    ...definition,
    hyperparameters: { ...definition.hyperparameters, zeroMean: flag(true), perNeuron: flag(true), updateNormDecay: beta(0.9), equilibriumRate: equilibriumRateOption(inner) },
    rule: (settings, layout) => (rotates(owner, settings, layout, form) ? turning : plain),
    expected: turning,
  };
}
