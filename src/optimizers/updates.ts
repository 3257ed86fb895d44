/** What a step is given: gradients by variable name, checked before anything changes. */
import { engine, util, type NamedTensorMap, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';

type NamedGradient = { readonly name: string; readonly tensor?: Tensor | null };

/** As `applyGradients` takes them; what is null or undefined is left out. */
export type Gradients = NamedTensorMap | readonly (NamedGradient | null | undefined)[];

export type Update = { readonly variable: Variable; readonly gradient: Tensor };

export function variableNamed(owner: string, name: string): Variable {
  const variable = engine().registeredVariables[name];
  if (!variable) throw new Error(`${owner}: there is no variable named ${show(name)}; it may have been disposed`);
  return variable;
}

/** Throws unless a variable is of float32 and of the shape by which it is `known`, if it is. */
export function checkVariable(owner: string, { name, dtype, shape }: Variable, known: readonly number[] = shape): void {
  if (dtype === 'float32' && util.arraysEqual(known as number[], shape)) return;
  const part = `${owner}: variable ${show(name)}`;
  check(dtype === 'float32', part, 'dtype', "be 'float32'", dtype);
  check(false, part, 'shape', `stay ${show(known)}`, shape);
}

function checkGradient(owner: string, { variable: { name, shape }, gradient }: Update): void {
  if (!gradient.isDisposed && gradient.dtype === 'float32' && util.arraysEqual(gradient.shape, shape)) return;
  const part = `${owner}: variable ${show(name)}`;
  if (gradient.isDisposed) throw new Error(`${part}: its gradient was disposed`);
  check(gradient.dtype === 'float32', part, "its gradient's dtype", "be 'float32'", gradient.dtype);
  check(false, part, "its gradient's shape", `be ${show(shape)}`, gradient.shape);
}

/** The updates of a step, and the names of all variables that it speaks of. */
export function updatesOf(owner: string, gradients: Gradients, shapeOf: (name: string) => readonly number[] | undefined): { updates: Update[]; names: string[] } {
  const named = Array.isArray(gradients)
    ? (gradients as readonly (NamedGradient | null | undefined)[]).filter((entry) => entry !== null && entry !== undefined)
    : Object.entries(gradients as NamedTensorMap).map(([name, tensor]) => ({ name, tensor }));
  const updates = named.flatMap(({ name, tensor }) => (tensor ? [{ variable: variableNamed(owner, name), gradient: tensor }] : []));
  const seen = new Set<string>();
  for (const update of updates) {
    const { name } = update.variable;
    checkVariable(owner, update.variable, shapeOf(name));
    checkGradient(owner, update);
    if (seen.has(name)) throw new Error(`${owner}: variable ${show(name)} has two gradients in one step; add them up`);
    seen.add(name);
  }
  return { updates, names: named.map(({ name }) => name) };
}
