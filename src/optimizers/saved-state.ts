/**
 * State as `getWeights` gives it and `setWeights` takes it, and which of it belongs to which
 * variable.
 */
import { scalar, type Tensor } from '@tensorflow/tfjs-core';
import { check, checkCount, show } from '../check.js';
import { getOrMake } from '../get-or-make.js';
import { mapValues } from '../map-values.js';
import { baseName } from '../name-matcher.js';
import type { VariableState } from './variable-state.js';

/** tfjs-core does not export this type. */
export type NamedTensor = { name: string; tensor: Tensor };

type State<Slot> = {
  /** The name of the variable. */
  readonly name: string;
  /** Updates so far. */
  readonly count: number;
  /** By the names that the rule gives them, such as `m` and `v`. */
  readonly slots: Readonly<Record<string, Slot>>;
};

/** What an optimizer keeps for one variable between steps, in tensors. */
export type StateSnapshot = {
  /** The name of the variable. */
  readonly name: string;
  /** Updates so far. */
  readonly count: number;
  /** By the names that the rule gives them, such as `m` and `v`. */
  readonly slots: Readonly<Record<string, Tensor>>;
};

/** The state of a variable as weights named `<variable>/<slot>`. */
export const namedTensors = ({ name, count, slots }: StateSnapshot): NamedTensor[] => [
  { name: `${name}/count`, tensor: scalar(count, 'int32') },
  ...Object.entries(slots).map(([slot, tensor]) => ({ name: `${name}/${slot}`, tensor })),
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
): Promise<StateSnapshot[]> {
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
    const slots = getOrMake(variables, name.slice(0, cut), (): Record<string, Tensor> => ({}));
    slots[name.slice(cut + 1)] = tensor;
  }
  return Promise.all(
    [...variables].map(async ([name, { count, ...slots }]) => ({
      name,
      count: await countIn(label, `${name}/count`, count),
      slots,
    })),
  );
}

/** A snapshot of a state, whose slots `read` copies to tensors. */
export const copyState = <Slot>(
  { name, count, slots }: State<Slot>,
  read: (slot: Slot) => Tensor,
): StateSnapshot => ({ name, count, slots: mapValues(slots, read) });

const showShapes = (shapes: Readonly<Record<string, readonly number[]>>): string =>
  Object.entries(shapes)
    .map(([slot, shape]) => `${slot} ${show(shape)}`)
    .sort()
    .join(', ');

const showNames = (list: readonly { readonly name: string }[]): string =>
  list.map(({ name }) => show(name)).join(', ');

/** Throws unless saved state has the slots of a variable. */
export function checkFits(
  label: string,
  saved: StateSnapshot,
  { name, shapes }: VariableState,
): void {
  const found = showShapes(mapValues(saved.slots, ({ shape }) => shape));
  const needed = showShapes(shapes);
  if (found !== needed)
    throw new Error(
      `${label}: the saved state of ${show(saved.name)} (${found}) does not fit ` +
        `the variable ${show(name)}, which needs ${needed}`,
    );
}

const wholeName = (name: string): string => name;

/** What to compare of two names, the surest first: tfjs appends to names to make them unique. */
const nameParts = [wholeName, baseName] as const;

/**
 * Finds which saved state belongs to which variable: by name, or, where no name matches and these
 * are the `first` variables since loading, by order. Throws if they do not fit each other.
 */
export function matchStates(
  label: string,
  saved: readonly StateSnapshot[],
  states: readonly VariableState[],
  first: boolean,
): Map<VariableState, StateSnapshot> {
  const matches = matchByName(saved, states);
  // Where names match, a variable without saved state is new, and saved state without a variable
  // is kept for later.
  if (first && matches.size === 0 && saved.length > 0) {
    if (saved.length !== states.length)
      throw new Error(
        `${label}: the saved state of ${showNames(saved)} fits ${showNames(states)} neither ` +
          'by name nor by order; prepare(variables) names all variables at once',
      );
    states.forEach((state, i) => matches.set(state, saved[i]));
  }
  for (const [state, snapshot] of matches) checkFits(label, snapshot, state);
  return matches;
}

/** Pairs of a variable and saved state that have a name of their own in common. */
function matchByName(
  saved: readonly StateSnapshot[],
  states: readonly VariableState[],
): Map<VariableState, StateSnapshot> {
  const matches = new Map<VariableState, StateSnapshot>();
  const [freeStates, freeSaved] = [new Set(states), new Set(saved)];
  for (const ofSaved of nameParts) {
    for (const ofState of nameParts) {
      for (const state of freeSaved.size > 0 ? freeStates : []) {
        const name = ofState(state.name);
        const sameSaved = [...freeSaved].filter((other) => ofSaved(other.name) === name);
        const sameStates = [...freeStates].filter((other) => ofState(other.name) === name);
        if (sameSaved.length !== 1 || sameStates.length !== 1) continue;
        matches.set(state, sameSaved[0]);
        freeStates.delete(state);
        freeSaved.delete(sameSaved[0]);
      }
    }
  }
  return matches;
}
