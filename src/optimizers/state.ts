/** Saved optimizer state: what a variable had, kept until that variable's first step after loading. */
import { keep, type Tensor } from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import { baseName } from './groups.js';

/** tfjs-core does not export this type. */
export type NamedTensor = { name: string; tensor: Tensor };

/** The state of one variable: `count` and the rule's slots. */
export type SavedVariable = { readonly name: string; readonly tensors: ReadonlyMap<string, Tensor> };

/** Groups saved weights, named `<variable>/<slot>`, by variable; keeps copies, since a loader disposes what it passed. */
export function groupByVariable(weights: readonly NamedTensor[]): SavedVariable[] {
  const variables = new Map<string, Map<string, Tensor>>();
  for (const { name, tensor } of weights) {
    const cut = name.lastIndexOf('/');
    const variable = name.slice(0, cut);
    const tensors = variables.get(variable) ?? new Map<string, Tensor>();
    variables.set(variable, tensors.set(name.slice(cut + 1), keep(tensor.clone())));
  }
  return [...variables].map(([name, tensors]) => ({ name, tensors }));
}

export const disposeSaved = (saved: Iterable<SavedVariable>): void => {
  for (const { tensors } of saved) for (const tensor of tensors.values()) tensor.dispose();
};

type Newcomer = { readonly name: string; readonly slots: Readonly<Record<string, readonly number[]>> };

const fits = (saved: SavedVariable, { slots }: Newcomer): boolean =>
  saved.tensors.has('count') &&
  saved.tensors.size === Object.keys(slots).length + 1 &&
  Object.entries(slots).every(([slot, shape]) => saved.tensors.get(slot)?.shape.join() === shape.join());

/**
 * Finds which saved state belongs to which variable: by name, then by the name without what tfjs appended to make it
 * unique, then by order. Throws if states and variables are left over that do not fit each other.
 */
export function matchSaved(owner: string, saved: readonly SavedVariable[], newcomers: readonly Newcomer[]): Map<Newcomer, SavedVariable> {
  const matched = new Map<Newcomer, SavedVariable>();
  const free = new Set(saved);
  const claim = (newcomer: Newcomer, state: SavedVariable): void => {
    if (!fits(state, newcomer)) {
      const shapes = (entries: Iterable<readonly [string, readonly number[]]>) => [...entries].map(([slot, shape]) => `${slot} ${show(shape)}`).join(', ');
      throw new Error(
        `${owner}: the saved state of ${show(state.name)} (${shapes([...state.tensors].map(([slot, { shape }]) => [slot, shape] as const))}) does not fit ` +
          `the variable ${show(newcomer.name)}, which needs count [], ${shapes(Object.entries(newcomer.slots))}`,
      );
    }
    matched.set(newcomer, state);
    free.delete(state);
  };
  for (const newcomer of newcomers) {
    const state = saved.find(({ name }) => name === newcomer.name);
    if (state) claim(newcomer, state);
  }
  const unmatched = () => newcomers.filter((newcomer) => !matched.has(newcomer));
  for (const newcomer of unmatched()) {
    const base = baseName(newcomer.name);
    const candidates = [...free].filter(({ name }) => baseName(name) === base);
    if (candidates.length === 1 && unmatched().filter(({ name }) => baseName(name) === base).length === 1) claim(newcomer, candidates[0]);
  }
  const inOrder = [...free];
  unmatched().slice(0, inOrder.length).forEach((newcomer, i) => claim(newcomer, inOrder[i]));
  return matched;
}
