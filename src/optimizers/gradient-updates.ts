/** From the gradients that a step is given to checked updates and to jobs of the executor. */
import { engine, Tensor, util, type NamedTensorMap, type Variable } from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import { hostScalars } from '../compiler/rule.js';
import type { Job } from '../executors/executor.js';
import { kindOf } from '../kind-of.js';
import type { VariableSettings } from './groups.js';
import type { VariableState } from './variable-state.js';

export type NamedGradient = { readonly name: string; readonly tensor?: Tensor | null };

/** As `applyGradients` takes them; what is null or undefined is left out. */
export type Gradients = NamedTensorMap | readonly (NamedGradient | null | undefined)[];

/** The names of a step's variables. */
export type NameSet = { has(name: string): boolean };

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
 * The variables that gradients name. Left out are those without a gradient that have been disposed,
 * are frozen or hold no float32 numbers, as a counter of steps does.
 */
export function stepVariablesOf(
  label: string,
  gradients: Gradients,
  stateOf: (variable: Variable, names: NameSet) => VariableState,
): StepVariable[] {
  const found = gradientsByName(label, gradients);
  return [...found]
    .filter(([name, gradient]) => gradient || isTrained(registeredVariable(name)))
    .map(([name, gradient]) => {
      const variable = variableNamed(label, name);
      return { variable, state: stateOf(variable, found), gradient };
    });
}

/** True of a variable that a gradient could change. */
export const isTrained = (variable: Variable | undefined): boolean =>
  variable?.dtype === 'float32' && variable.trainable;

/** The gradients by name; undefined for variables that are named without one. */
function gradientsByName(label: string, gradients: unknown): Map<string, Tensor | undefined> {
  const found = new Map<string, Tensor | undefined>();
  for (const item of listOf(label, gradients)) {
    // As tfjs has it, null and undefined mean no gradient, here and as a tensor; nothing else does.
    if (!isGiven(item)) continue;
    if (!isNamed(item)) throwForm(label, item);
    const { name, tensor } = item;
    if (isGiven(tensor) && !(tensor instanceof Tensor)) throwForm(label, tensor, name);
    const known = found.get(name);
    // What is shared by two layers is named twice, with one and the same gradient.
    if (known && tensor && known !== tensor)
      throw new Error(
        `${label}: variable ${show(name)} has two gradients in one step; add them up`,
      );
    found.set(name, (tensor as Tensor | null | undefined) ?? known);
  }
  return found;
}

function listOf(label: string, gradients: unknown): readonly unknown[] {
  if (Array.isArray(gradients)) return gradients;
  if (!isPlainObject(gradients)) throwForm(label, gradients);
  return Object.entries(gradients as NamedTensorMap).map(([name, tensor]) => ({ name, tensor }));
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** True of objects as `{}` makes them, of any realm: not of a Map, a tensor or a function. */
const isPlainObject = (value: unknown): boolean =>
  Object(value) === value &&
  Object.getPrototypeOf((Object.getPrototypeOf(value) as unknown) ?? value) === null;

/** True of an object with a name and at most a tensor: what else it has would be lost. */
function isNamed(item: unknown): item is { readonly name: string; readonly tensor?: unknown } {
  const keys = Object.keys(item as object);
  return (
    keys.includes('name') &&
    keys.every((key) => key === 'name' || key === 'tensor') &&
    typeof (item as NamedGradient).name === 'string'
  );
}

function throwForm(label: string, found: unknown, name?: string): never {
  throw new Error(
    `${label}: gradients must be { name: tensor } or [{ name, tensor }], ` +
      `got ${kindOf(found)}${name === undefined ? '' : ` for ${show(name)}`}`,
  );
}

/** The variable of a name; names such as 'constructor' are names like others. */
const registeredVariable = (name: string): Variable | undefined => {
  const { registeredVariables } = engine();
  return Object.hasOwn(registeredVariables, name) ? registeredVariables[name] : undefined;
};

export function variableNamed(label: string, name: string): Variable {
  const variable = registeredVariable(name);
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
  if (!variable.trainable)
    throw new Error(`${label}: variable ${show(settings.name)} is frozen, but got a gradient`);
  checkTensor(label, 'variable', settings, variable);
  checkTensor(label, 'the gradient of', settings, gradient);
  const decay = decayRate * settings.learningRateScale * settings.weightDecay;
  if (!(decay < 1))
    throw new Error(
      `${label}: variable ${show(settings.name)}: learningRate * weightDecay must be below 1, ` +
        `or the decay turns the sign of the weights, got ${decay}`,
    );
}

/** What the executor has to do for an update; the variable's group scales the rates. */
export function toJob(
  { variable, gradient, state }: GradientUpdate,
  rates: Readonly<Record<string, number>>,
  stepValues: Readonly<Record<string, number>>,
  probed = false,
): Job {
  const { settings, rule, plans, layout, slots, count, hostValues } = state;
  Object.assign(hostValues, stepValues);
  for (const name in rates) hostValues[name] = rates[name] * settings.learningRateScale;
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
