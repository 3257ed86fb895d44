/** What a step is given: gradients by variable name, checked before anything changes. */
import {
  engine,
  util,
  type NamedTensorMap,
  type Tensor,
  type Variable,
} from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import type { VariableState } from './variable-state.js';
import type { VariableSettings } from './groups.js';

type NamedGradient = { readonly name: string; readonly tensor?: Tensor | null };

/** As `applyGradients` takes them; what is null or undefined is left out. */
export type Gradients = NamedTensorMap | readonly (NamedGradient | null | undefined)[];

/** A variable that a step speaks of. */
export type Member = {
  readonly variable: Variable;
  readonly entry: VariableState;
  readonly gradient?: Tensor;
};
export type Update = Member & { readonly gradient: Tensor };

/** The gradients by name; undefined for variables that are spoken of, but have none. */
export function gradientsByName(
  label: string,
  gradients: Gradients,
): Map<string, Tensor | undefined> {
  const named = Array.isArray(gradients)
    ? (gradients as Exclude<Gradients, NamedTensorMap>)
    : Object.entries(gradients as NamedTensorMap).map(([name, tensor]) => ({ name, tensor }));
  const found = new Map<string, Tensor | undefined>();
  for (const entry of named) {
    if (!entry) continue;
    const { name, tensor } = entry;
    const known = found.get(name);
    if (known && tensor)
      throw new Error(
        `${label}: variable ${show(name)} has two gradients in one step; add them up`,
      );
    found.set(name, tensor ?? known);
  }
  return found;
}

export function variableNamed(label: string, name: string): Variable {
  const variable = engine().registeredVariables[name];
  if (!variable)
    throw new Error(
      `${label}: there is no variable named ${show(name)}; it may have been disposed`,
    );
  return variable;
}

/** Throws unless a variable, or the gradient of one, holds float32 numbers of its known shape. */
export function checkTensor(
  label: string,
  what: string,
  { name, shape: needed }: VariableSettings,
  { isDisposed, dtype, shape }: Tensor,
): void {
  if (!isDisposed && dtype === 'float32' && util.arraysEqual(shape, needed as number[])) return;
  throw new Error(
    `${label}: ${what} ${show(name)} must be float32 of shape ${show(needed)}, got ${isDisposed ? 'a disposed tensor' : `${dtype} of shape ${show(shape)}`}`,
  );
}

/** Throws unless an update can be made, and its decay leaves the weights their sign. */
export function checkUpdate(
  label: string,
  { variable, gradient, entry: { settings } }: Update,
  decoupledRate: number,
): void {
  checkTensor(label, 'variable', settings, variable);
  checkTensor(label, 'the gradient of', settings, gradient);
  const decay = decoupledRate * settings.learningRateScale * settings.weightDecay;
  if (!(decay < 1))
    throw new Error(
      `${label}: variable ${show(settings.name)}: learningRate * weightDecay must be below 1, or the decay turns the sign of the weights, got ${decay}`,
    );
}
