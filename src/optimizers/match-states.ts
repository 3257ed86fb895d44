/**
 * Which saved state belongs to which variable. A name says which variable it is, but for the numbers
 * that tfjs counts up ('7', 'kernel_1', 'dense_3/kernel', 'dense_Dense3/kernel'): they say only in
 * which order variables were made, and differ where others were made before.
 */
import { engine } from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import { getOrMake } from '../get-or-make.js';
import { baseName } from '../name-matcher.js';
import { checkFits, shapesIn, showShapes, type StateSnapshot } from './saved-state.js';
import type { VariableState } from './variable-state.js';

type Named = { readonly name: string };
type Pair = readonly [VariableState, StateSnapshot];
type Saved = readonly StateSnapshot[];
type States = readonly VariableState[];

/** A name without the numbers that tfjs counts up. */
const familyOf = ({ name }: Named): string =>
  name
    .replace(/(_\d+)+(?=\/|$)/g, '')
    // The third layer of the class Dense, if it is given no name, is dense_Dense3.
    .replace(/(^|\/|_[A-Z][^/_]*?)\d+(?=\/|$)/g, '$1');

function byFamily<T extends Named>(items: readonly T[]): Map<string, T[]> {
  const families = new Map<string, T[]>();
  for (const item of items) getOrMake(families, familyOf(item), (): T[] => []).push(item);
  return families;
}

/** A text that sorts names by the numbers in them. */
const sortKey = ({ name }: Named): string =>
  name.replace(/\d+/g, (digits) => digits.padStart(16, '0'));

const inOrder = <T extends Named>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));

/** The pairs in the order of both lists; undefined unless lengths and shapes agree. */
function pairByOrder(saved: Saved, states: States): Pair[] | undefined {
  const fit =
    saved.length === states.length &&
    states.every(({ shapes }, i) => showShapes(shapes) === shapesIn(saved[i]));
  return fit ? states.map((state, i) => [state, saved[i]]) : undefined;
}

/**
 * The pairs of equal names, if either all variables of a family or all its saved states have a
 * partner; with what tfjs has appended, or without.
 */
function pairByName(saved: Saved, states: States): Pair[] | undefined {
  for (const part of [(name: string) => name, baseName]) {
    const savedByName = new Map(saved.map((snapshot) => [part(snapshot.name), snapshot]));
    const pairs = states.flatMap((state): Pair[] => {
      const snapshot = savedByName.get(part(state.name));
      return snapshot ? [[state, snapshot]] : [];
    });
    const partners = new Set(pairs.map(([, snapshot]) => snapshot)).size;
    if (partners === pairs.length && partners === Math.min(saved.length, states.length))
      return pairs;
  }
  return undefined;
}

/** Names for an error message. */
const showNames = (list: readonly Named[]): string => list.map(({ name }) => show(name)).join(', ');

/** Variables that may have saved state. */
export type Candidates = {
  /** All that a step names. */
  readonly states: States;
  /** Those among them that start anew if they have none. */
  readonly needed: ReadonlySet<VariableState>;
  /** Variables that had their state before. */
  readonly known: readonly Named[];
};

/**
 * Finds which saved state belongs to which variable: by name; else, among names that differ in
 * counted numbers alone, in the order of these; else, where no name matches and there were no
 * variables before, in the order of both lists. What finds no variable is kept for later.
 *
 * @throws {Error} if they do not fit each other, or a variable would start anew beside state of its
 * shape whose own variable does not exist.
 */
export function matchStates(
  label: string,
  saved: Saved,
  { states, needed, known }: Candidates,
): Map<VariableState, StateSnapshot> {
  const matches = new Map<VariableState, StateSnapshot>();
  if (saved.length === 0) return matches;
  const used = new Set<StateSnapshot>();
  const existing = new Set(Object.keys(engine().registeredVariables).map(baseName));
  const accept = (pairs: Pair[] | undefined, from: Saved, to: States): void => {
    if (!pairs)
      throw new Error(
        `${label}: the saved state of ${showNames(from)} fits ${showNames(to)} neither ` +
          'by name nor by order; prepare(variables) names all variables at once',
      );
    for (const [state, snapshot] of pairs) {
      checkFits(label, snapshot, state);
      matches.set(state, snapshot);
      used.add(snapshot);
    }
  };
  /** Throws if state whose variable does not exist is left over, of the shapes of a variable. */
  const checkUnused = (from: Saved, to: States): void => {
    const unused = from.filter(
      (snapshot) => !used.has(snapshot) && !existing.has(baseName(snapshot.name)),
    );
    const shapes = new Set(unused.map(shapesIn));
    if (to.some((state) => shapes.has(showShapes(state.shapes)))) accept(undefined, unused, to);
  };

  const [savedFamilies, knownFamilies] = [byFamily(saved), byFamily(known)];
  for (const [family, members] of byFamily(states)) {
    const candidates = savedFamilies.get(family);
    if (!candidates) continue;
    const isFirst = !knownFamilies.has(family);
    const ordered = (): Pair[] | undefined =>
      isFirst ? pairByOrder(inOrder(candidates), inOrder(members)) : [];
    accept(pairByName(candidates, members) ?? ordered(), candidates, members);
    // Where others of a family have no variable, the numbers of those that have may be shifted.
    if (isFirst) checkUnused(candidates, members);
  }
  if (used.size === 0 && known.length === 0) accept(pairByOrder(saved, states), saved, states);
  checkUnused(
    saved,
    states.filter((state) => needed.has(state) && !matches.has(state)),
  );
  return matches;
}
