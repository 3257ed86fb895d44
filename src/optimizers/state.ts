/** Saved optimizer state: what a variable had, kept until that variable's first step after loading. */
import { keep, type Tensor } from '@tensorflow/tfjs-core';
import { checkCount, show } from '../check.js';
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

function checkFits(owner: string, state: SavedVariable, newcomer: Newcomer): void {
  if (fits(state, newcomer)) return;
  const shapes = (entries: Iterable<readonly [string, readonly number[]]>) => [...entries].map(([slot, shape]) => `${slot} ${show(shape)}`).join(', ');
  throw new Error(
    `${owner}: the saved state of ${show(state.name)} (${shapes([...state.tensors].map(([slot, { shape }]) => [slot, shape] as const))}) does not fit ` +
      `the variable ${show(newcomer.name)}, which needs count [], ${shapes(Object.entries(newcomer.slots))}`,
  );
}

/** Throws if saved state has no sensible count, or does not fit a variable of its name whose slots are known already. */
export async function checkSaved(owner: string, state: SavedVariable, slots: Newcomer['slots'] | undefined): Promise<void> {
  if (slots) checkFits(owner, state, { name: state.name, slots });
  const count = await state.tensors.get('count')?.data();
  if (count) checkCount(owner, `the saved ${show(`${state.name}/count`)}`, count[0]);
}

/** When a variable and a saved state have the same name, the surest first: tfjs appends to names to make them unique. */
const sameName: readonly ((variable: string, saved: string) => boolean)[] = [
  (variable, saved) => variable === saved,
  (variable, saved) => baseName(variable) === saved,
  (variable, saved) => variable === baseName(saved),
  (variable, saved) => baseName(variable) === baseName(saved),
];

/**
 * Finds which saved state belongs to which variable: by name, or, where no name tells and these are the `first` variables
 * since loading, by order. Throws if states and variables do not fit each other.
 */
export function matchSaved(owner: string, saved: readonly SavedVariable[], newcomers: readonly Newcomer[], first: boolean): Map<Newcomer, SavedVariable> {
  const matched = new Map<Newcomer, SavedVariable>();
  const free = new Set(saved);
  const claim = (newcomer: Newcomer, state: SavedVariable): void => {
    checkFits(owner, state, newcomer);
    matched.set(newcomer, state);
    free.delete(state);
  };
  const unmatched = () => newcomers.filter((newcomer) => !matched.has(newcomer));
  for (const same of sameName) {
    for (const newcomer of free.size > 0 ? unmatched() : []) {
      const states = [...free].filter(({ name }) => same(newcomer.name, name));
      if (states.length === 1 && unmatched().filter(({ name }) => same(name, states[0].name)).length === 1) claim(newcomer, states[0]);
    }
  }
  const [left, states] = [unmatched(), [...free]];
  // Where names do tell, a variable without a state is new, and a state without a variable waits.
  if (!first || matched.size > 0 || left.length === 0 || states.length === 0) return matched;
  if (left.length !== states.length) {
    const names = (of: readonly { name: string }[]) => of.map(({ name }) => show(name)).join(', ');
    throw new Error(`${owner}: the saved state of ${names(states)} fits ${names(left)} neither by name nor, all at once, by order; prepare(variables) names all variables at once`);
  }
  left.forEach((newcomer, i) => claim(newcomer, states[i]));
  return matched;
}
