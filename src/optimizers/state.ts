/**
 * Saved optimizer state: what a variable had, kept until that variable's first step after loading.
 */
import { keep, scalar, type Tensor } from '@tensorflow/tfjs-core';
import { check, checkCount, show } from '../check.js';
import { getOrMake } from '../get-or-make.js';
import { mapValues } from '../map-values.js';
import type { VariableState } from './variable-state.js';
import { baseName } from './groups.js';

/** tfjs-core does not export this type. */
export type NamedTensor = { name: string; tensor: Tensor };

/** The state of one variable. */
export type SavedState = {
  readonly name: string;
  readonly count: number;
  readonly slots: Readonly<Record<string, Tensor>>;
};

/** The state of a variable as weights named `<variable>/<slot>`. */
export const namedState = <Slot>(
  {
    name,
    count,
    slots,
  }: {
    readonly name: string;
    readonly count: number;
    readonly slots: Readonly<Record<string, Slot>>;
  },
  read: (slot: Slot) => Tensor,
): NamedTensor[] => [
  { name: `${name}/count`, tensor: scalar(count, 'int32') },
  ...Object.entries(slots).map(([slot, kept]) => ({ name: `${name}/${slot}`, tensor: read(kept) })),
];

async function countIn(label: string, name: string, tensor: Tensor | undefined): Promise<number> {
  const count = (await tensor?.data())?.[0];
  checkCount(label, `the saved ${show(name)}`, count);
  return count;
}

/**
 * The states in saved weights, which begin with the optimizer's step. The tensors are the caller's.
 */
export async function statesIn(
  label: string,
  weights: readonly NamedTensor[],
): Promise<SavedState[]> {
  const names = weights.map(({ name }) => name);
  check(
    names[0] === 'iter' && names.slice(1).every((name) => name.includes('/')),
    label,
    'saved weights',
    "be named 'iter', then <variable>/<slot>",
    names,
  );
  const [iter, ...others] = weights;
  await countIn(label, iter.name, iter.tensor);
  const variables = new Map<string, Record<string, Tensor>>();
  for (const { name, tensor } of others) {
    const cut = name.lastIndexOf('/');
    getOrMake(variables, name.slice(0, cut), (): Record<string, Tensor> => ({}))[
      name.slice(cut + 1)
    ] = tensor;
  }
  return Promise.all(
    [...variables].map(async ([name, { count, ...slots }]) => ({
      name,
      count: await countIn(label, `${name}/count`, count),
      slots,
    })),
  );
}

/** The same with copies that outlive the tensors of a loader. */
export const keptState = ({ slots, ...state }: SavedState): SavedState => ({
  ...state,
  slots: mapValues(slots, (tensor) => keep(tensor.clone())),
});

const written = (shapes: Readonly<Record<string, readonly number[]>>): string =>
  Object.entries(shapes)
    .map(([slot, shape]) => `${slot} ${show(shape)}`)
    .sort()
    .join(', ');

/** Throws unless a state has the slots of a variable. */
export function checkFits(label: string, state: SavedState, { name, shapes }: VariableState): void {
  const [found, needed] = [written(mapValues(state.slots, ({ shape }) => shape)), written(shapes)];
  if (found !== needed)
    throw new Error(
      `${label}: the saved state of ${show(state.name)} (${found}) does not fit the variable ${show(name)}, which needs ${needed}`,
    );
}

const asIs = (name: string): string => name;

/**
 * How to compare the names of a variable and a state, the surest first: tfjs appends to names to
 * make them unique.
 */
const comparisons = [
  [asIs, asIs],
  [baseName, asIs],
  [asIs, baseName],
  [baseName, baseName],
] as const;

/**
 * Finds which saved state belongs to which variable: by name, or, where no name tells and these are
 * the `first` variables since loading, by order. Throws if states and variables do not fit each
 * other.
 */
export function matchStates(
  label: string,
  states: readonly SavedState[],
  entries: readonly VariableState[],
  first: boolean,
): Map<VariableState, SavedState> {
  const matched = new Map<VariableState, SavedState>();
  const [waiting, free] = [new Set(entries), new Set(states)];
  const match = (entry: VariableState, state: SavedState): void => {
    checkFits(label, state, entry);
    matched.set(entry, state);
    waiting.delete(entry);
    free.delete(state);
  };
  for (const [ofVariable, ofState] of comparisons) {
    for (const entry of free.size > 0 ? waiting : []) {
      const name = ofVariable(entry.name);
      const sameStates = [...free].filter((state) => ofState(state.name) === name);
      const sameEntries = [...waiting].filter((other) => ofVariable(other.name) === name);
      if (sameStates.length === 1 && sameEntries.length === 1) match(entry, sameStates[0]);
    }
  }
  // Where names do tell, a variable without a state is new, and a state without a variable waits.
  if (!first || matched.size > 0 || states.length === 0) return matched;
  if (entries.length !== states.length) {
    const names = (list: readonly { readonly name: string }[]) =>
      list.map(({ name }) => show(name)).join(', ');
    throw new Error(
      `${label}: the saved state of ${names(states)} fits ${names(entries)} neither by name nor by order; prepare(variables) names all variables at once`,
    );
  }
  entries.forEach((entry, i) => match(entry, states[i]));
  return matched;
}
