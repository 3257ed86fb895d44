/** From the gradients that a step is given to checked updates and to jobs of the executor. */
import {
  engine,
  util,
  type NamedTensorMap,
  type Tensor,
  type Variable,
} from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import { hostScalars } from '../compiler/rule.js';
import type { Job } from '../executors/executor.js';
import type { VariableSettings } from './groups.js';
import type { VariableState } from './variable-state.js';

export type NamedGradient = { readonly name: string; readonly tensor?: Tensor | null };

/** As `applyGradients` takes them; what is null or undefined is left out. */
export type Gradients = NamedTensorMap | readonly (NamedGradient | null | undefined)[];

/** A variable that a step names, with or without a gradient. */
export type StepVariable = {
  readonly variable: Variable;
  readonly state: VariableState;
  readonly gradient?: Tensor;
};

/** A variable that a step changes. */
export type GradientUpdate = StepVariable & { readonly gradient: Tensor };

export const hasGradient = (stepVariable: StepVariable): stepVariable is GradientUpdate =>
  !!stepVariable.gradient;

/**
 * The variables that gradients name. One without a gradient may have been disposed; then it is left
 * out.
 */
export function stepVariablesOf(
  label: string,
  gradients: Gradients,
  stateOf: (variable: Variable) => VariableState,
): StepVariable[] {
  return [...gradientsByName(label, gradients)]
    .filter(([name, gradient]) => gradient || engine().registeredVariables[name])
    .map(([name, gradient]) => {
      const variable = variableNamed(label, name);
      return { variable, state: stateOf(variable), gradient };
    });
}

/** The gradients by name; undefined for variables that are named without one. */
function gradientsByName(label: string, gradients: Gradients): Map<string, Tensor | undefined> {
  const list = Array.isArray(gradients)
    ? (gradients as Exclude<Gradients, NamedTensorMap>)
    : Object.entries(gradients as NamedTensorMap).map(([name, tensor]) => ({ name, tensor }));
  const found = new Map<string, Tensor | undefined>();
  for (const item of list) {
    if (!item) continue;
    const { name, tensor } = item;
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
  const found = isDisposed ? 'a disposed tensor' : `${dtype} of shape ${show(shape)}`;
  throw new Error(
    `${label}: ${what} ${show(name)} must be float32 of shape ${show(needed)}, got ${found}`,
  );
}

/**
 * Throws unless an update can be made, and its decay leaves the weights their sign. `decayRate` is
 * the learning rate that multiplies the weight decay, 0 where the decay is not decoupled.
 */
export function checkUpdate(
  label: string,
  { variable, gradient, state: { settings } }: GradientUpdate,
  decayRate: number,
): void {
  checkTensor(label, 'variable', settings, variable);
  checkTensor(label, 'the gradient of', settings, gradient);
  const decay = decayRate * settings.learningRateScale * settings.weightDecay;
  if (!(decay < 1))
    throw new Error(
      `${label}: variable ${show(settings.name)}: learningRate * weightDecay must be below 1, ` +
        `or the decay turns the sign of the weights, got ${decay}`,
    );
}

/** What the executor has to do for an update. */
export function toJob(
  { variable, gradient, state }: GradientUpdate,
  learningRate: number,
  stepValues: Readonly<Record<string, number>>,
  probed = false,
): Job {
  const { settings, rule, plans, layout, slots, count, hostValues } = state;
  Object.assign(hostValues, stepValues);
  hostValues.learningRate = learningRate * settings.learningRateScale;
  hostValues.count = count;
  return {
    variable,
    gradient,
    slots,
    plan: probed ? plans.probed! : plans.update,
    layout,
    values: hostScalars(rule, hostValues),
  };
}
