/**
 * Which saved state belongs to which variable. A name says which variable it is, but for the numbers
 * that tfjs counts up ('7', 'kernel_1', 'dense_3/kernel', 'dense_Dense3/kernel'): they say only in
 * which order variables were made, and differ where others were made before.
 */
import { engine } from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import { getOrMake } from '../get-or-make.js';
import { baseName } from './groups.js';
import { checkFits, shapesIn, showShapes, type StateSnapshot } from './saved-state.js';
import type { VariableState } from './variable-state.js';

type Named = { readonly name: string };
type Pair = readonly [VariableState, StateSnapshot];

/** A name without the numbers that tfjs counts up. */
const familyOf = (name: string): string =>
  name
    .replace(/(_\d+)+(?=\/|$)/g, '')
    // The third layer of the class Dense, if it is given no name, is dense_Dense3.
    .replace(/(^|\/|_[A-Z][^/_]*?)\d+(?=\/|$)/g, '$1');

const wholeName = (name: string): string => name;

/** What to compare of two names of a family, the surest first: tfjs appends to names. */
const nameParts = [wholeName, baseName] as const;

function byFamily<T extends Named>(items: Iterable<T>): Map<string, T[]> {
  const families = new Map<string, T[]>();
  for (const item of items) getOrMake(families, familyOf(item.name), (): T[] => []).push(item);
  return families;
}

/** In the order of the numbers in their names. */
function inOrder<T extends Named>(items: readonly T[]): T[] {
  const keyed = items.map((item) => ({
    item,
    key: item.name.replace(/\d+/g, (digits) => digits.padStart(16, '0')),
  }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ item }) => item);
}

/** True of saved state that has a variable, which only has had no step yet. */
function findWaiting(): (saved: StateSnapshot) => boolean {
  const names = Object.keys(engine().registeredVariables);
  const existing = new Set(nameParts.flatMap((part) => names.map(part)));
  return ({ name }) => nameParts.some((part) => existing.has(part(name)));
}

/** The pairs in the order of both lists; undefined unless lengths and shapes agree. */
function pairByOrder(
  saved: readonly StateSnapshot[],
  states: readonly VariableState[],
): Pair[] | undefined {
  const fit =
    saved.length === states.length &&
    states.every(({ shapes }, i) => showShapes(shapes) === shapesIn(saved[i]));
  return fit ? states.map((state, i) => [state, saved[i]]) : undefined;
}

/**
 * The pairs of equal names, if either all the variables of a family or all its saved states have a
 * partner; a difference in what tfjs has appended must be the same for all.
 */
function pairByName(
  saved: readonly StateSnapshot[],
  states: readonly VariableState[],
): Pair[] | undefined {
  for (const ofSaved of nameParts) {
    for (const ofState of nameParts) {
      const savedByName = new Map(saved.map((snapshot) => [ofSaved(snapshot.name), snapshot]));
      const statesByName = new Map(states.map((state) => [ofState(state.name), state]));
      if (savedByName.size < saved.length || statesByName.size < states.length) continue;
      const pairs = [...statesByName].flatMap(([name, state]): Pair[] => {
        const snapshot = savedByName.get(name);
        return snapshot ? [[state, snapshot]] : [];
      });
      if (pairs.length === Math.min(saved.length, states.length)) return pairs;
    }
  }
  return undefined;
}

/** True if one of the saved states has the shapes of one of the variables. */
function sameShapes(saved: readonly StateSnapshot[], states: readonly VariableState[]): boolean {
  const shapes = new Set(saved.map(shapesIn));
  return states.some((state) => shapes.has(showShapes(state.shapes)));
}

const showNames = (list: readonly Named[]): string => list.map(({ name }) => show(name)).join(', ');

const noMatch = (label: string, saved: readonly Named[], states: readonly Named[]): Error =>
  new Error(
    `${label}: the saved state of ${showNames(saved)} fits ${showNames(states)} neither ` +
      'by name nor by order; prepare(variables) names all variables at once',
  );

/** Variables that may have saved state. */
export type Candidates = {
  /** All that a step names. */
  readonly states: readonly VariableState[];
  /** Those among them that start anew if they have none. */
  readonly needed: ReadonlySet<VariableState>;
  /** Variables that had their state before. */
  readonly known: readonly Named[];
};

/**
 * Finds which saved state belongs to which variable: by name; else, among names that differ in
 * counted numbers alone, in the order of these; else, where no name matches and there are no
 * variables before, in the order of both lists.
 *
 * Saved state that finds no variable is kept for later.
 *
 * @throws {Error} if they do not fit each other, or a variable would start anew beside state of its
 * shape whose own variable does not exist.
 */
export function matchStates(
  label: string,
  saved: readonly StateSnapshot[],
  { states, needed, known }: Candidates,
): Map<VariableState, StateSnapshot> {
  if (saved.length === 0) return new Map();
  const isWaiting = findWaiting();
  const [savedFamilies, knownFamilies] = [byFamily(saved), byFamily(known)];
  const pairs: Pair[] = [];
  for (const [family, members] of byFamily(states)) {
    const candidates = savedFamilies.get(family);
    if (!candidates) continue;
    const matched = knownFamilies.has(family)
      ? (pairByName(candidates, members) ?? [])
      : pairFamily(candidates, members, isWaiting);
    if (!matched) throw noMatch(label, candidates, members);
    pairs.push(...matched);
  }
  if (pairs.length === 0 && known.length === 0) {
    const ordered = pairByOrder(saved, states);
    if (!ordered) throw noMatch(label, saved, states);
    pairs.push(...ordered);
  }
  const matches = new Map(pairs);
  for (const [state, snapshot] of pairs) checkFits(label, snapshot, state);
  const used = new Set(matches.values());
  const unused = saved.filter((snapshot) => !used.has(snapshot) && !isWaiting(snapshot));
  const starting = states.filter((state) => needed.has(state) && !matches.has(state));
  if (sameShapes(unused, starting)) throw noMatch(label, unused, starting);
  return matches;
}

/** The pairs of a family of which no variable has had its state before. */
function pairFamily(
  saved: readonly StateSnapshot[],
  states: readonly VariableState[],
  isWaiting: (saved: StateSnapshot) => boolean,
): Pair[] | undefined {
  const named = pairByName(saved, states);
  if (!named) return pairByOrder(inOrder(saved), inOrder(states));
  const used = new Set(named.map(([, snapshot]) => snapshot));
  const unused = saved.filter((snapshot) => !used.has(snapshot) && !isWaiting(snapshot));
  // Where state is left that has no variable, the numbers may be shifted.
  return sameShapes(unused, states) ? undefined : named;
}
