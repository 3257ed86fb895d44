/**
 * State as `getWeights` gives it and `setWeights` takes it: first `iter`, the optimizer's step; then
 * `manifest`, which tells a list that is whole from one that is not; then `<variable>/<slot>`.
 */
import { clone, dispose, keep, scalar, Tensor, tensor, tensor1d } from '@tensorflow/tfjs-core';
import { check, checkCount, show } from '../check.js';
import { getOrMake } from '../get-or-make.js';
import { mapValues } from '../map-values.js';
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

/** All that `setWeights` loads. The tensors are copies. */
export type SavedState = { readonly step: number; readonly states: readonly StateSnapshot[] };

/** A snapshot of a state, whose slots `read` copies to tensors. */
export const copyState = <Slot>(
  { name, count, slots }: State<Slot>,
  read: (slot: Slot) => Tensor,
): StateSnapshot => ({ name, count, slots: mapValues(slots, read) });

/** A whole number from here on is saved as a pair, (low, high), of low + 2^31 high. */
const pairFrom = 2 ** 31;

/** A whole number as a pair. */
const pairOf = (count: number): [low: number, high: number] => [
  count % pairFrom,
  Math.floor(count / pairFrom),
];

/** A whole number in int32, exactly. */
const integer = (count: number): Tensor =>
  count < pairFrom ? scalar(count, 'int32') : tensor1d(pairOf(count), 'int32');

/** The version of this form of saved state, how many weights follow, the step, a sum of counts. */
const manifestOf = (step: number, weights: number, counts: readonly number[]): number[] => [
  1,
  weights,
  ...pairOf(step),
  pairOf(counts.reduce((sum, count) => sum + count, 0))[0],
];

/** State as named weights. An optimizer without variables saves its step alone. */
export function toWeights(step: number, states: readonly StateSnapshot[]): NamedTensor[] {
  const iter = { name: 'iter', tensor: integer(step) };
  if (states.length === 0) return [iter];
  const weights = states.flatMap(({ name, count, slots }) => [
    { name: `${name}/count`, tensor: integer(count) },
    ...Object.entries(slots).map(([slot, tensor]) => ({ name: `${name}/${slot}`, tensor })),
  ]);
  const counts = states.map(({ count }) => count);
  const manifest = tensor1d(manifestOf(step, weights.length, counts), 'int32');
  return [iter, { name: 'manifest', tensor: manifest }, ...weights];
}

/** Throws unless saved weights have the names and the kinds of tensors that `toWeights` gives. */
function checkWeights(label: string, weights: readonly NamedTensor[]): void {
  const names = Array.isArray(weights) ? weights.map((weight) => weight?.name) : weights;
  const hasNames =
    Array.isArray(names) &&
    names[0] === 'iter' &&
    names.slice(names[1] === 'manifest' ? 2 : 1).every((name) => name?.includes?.('/'));
  check(hasNames, label, 'saved weights', "be named 'iter', then <variable>/<slot>", names);
  for (const { name, tensor } of weights) {
    if (!(tensor instanceof Tensor) || tensor.isDisposed)
      throw new Error(`${label}: the saved ${show(name)} is no tensor, or was disposed`);
  }
}

/** Reads a count, or the step. */
async function readInteger(label: string, name: string, tensor?: Tensor): Promise<number> {
  const [low, high] = (await tensor?.data()) ?? [];
  const count = high ? low + high * pairFrom : low;
  checkCount(label, `the saved ${show(name)}`, count);
  return count;
}

/** The tensors of each variable, by slot; the count is one of them. */
function tensorsByVariable(weights: readonly NamedTensor[]): Map<string, Record<string, Tensor>> {
  const variables = new Map<string, Record<string, Tensor>>();
  for (const { name, tensor } of weights) {
    const cut = name.lastIndexOf('/');
    const tensors = getOrMake(variables, name.slice(0, cut), (): Record<string, Tensor> => ({}));
    tensors[name.slice(cut + 1)] = tensor;
  }
  return variables;
}

/** True of the state of tfjs's own Adam, which counts steps for all variables at once. */
const isAdam = (variables: Map<string, Record<string, Tensor>>): boolean =>
  [...variables.values()].every((tensors) => Object.keys(tensors).sort().join() === 'm,v');

/** The state in saved weights, copied when this is called; throws if `checkStates` does. */
export async function readWeights(
  label: string,
  given: readonly NamedTensor[],
  checkStates: (states: readonly StateSnapshot[]) => void,
): Promise<SavedState> {
  checkWeights(label, given);
  const copies = new Set<Tensor>();
  const keepCopy = (copy: Tensor): Tensor => {
    copies.add(keep(copy));
    return copy;
  };
  try {
    const weights = given.map(({ name, tensor }) => ({ name, tensor: keepCopy(clone(tensor)) }));
    const saved = await readStates(label, weights);
    for (const { slots } of saved.states) {
      for (const [slot, { dtype, shape }] of Object.entries(slots)) {
        if (dtype === 'float32') continue;
        // Not by a cast, which on webgpu leaves the bits of an integer as they are.
        const values = Float32Array.from(await slots[slot].data());
        slots[slot] = keepCopy(tensor(values, shape));
      }
    }
    checkStates(saved.states);
    for (const { slots } of saved.states)
      Object.values(slots).forEach((slot) => copies.delete(slot));
    return saved;
  } finally {
    dispose([...copies]);
  }
}

/** The state in weights, whose tensors become those of the state. */
async function readStates(label: string, [iter, ...others]: readonly NamedTensor[]) {
  const manifest = others[0]?.name === 'manifest' ? others.shift() : undefined;
  const variables = tensorsByVariable(others);
  const hasCounts = manifest || !isAdam(variables);
  const stepRead = readInteger(label, iter.name, iter.tensor);
  const [step, found, ...counts] = await Promise.all([
    stepRead,
    manifest?.tensor.data(),
    ...[...variables].map(([name, { count }]) =>
      hasCounts ? readInteger(label, `${name}/count`, count) : stepRead,
    ),
  ]);
  const expected = manifestOf(step, others.length, counts);
  if (found && expected.some((value, i) => value !== found[i]))
    throw new Error(
      `${label}: saved weights must be whole, and all of one step; ` +
        `${found[1]} were saved at step ${found[2] + found[3] * pairFrom}, ` +
        `got ${expected[1]} of step ${step}`,
    );
  const states = [...variables].map(([name, tensors], i) => {
    const { count: _, ...slots } = tensors;
    return { name, count: counts[i], slots };
  });
  return { step, states };
}

/** Text of the shapes of slots: two are equal if the shapes are. */
export const showShapes = (shapes: Readonly<Record<string, readonly number[]>>): string =>
  Object.entries(shapes)
    .map(([slot, shape]) => `${slot} ${show(shape)}`)
    .sort()
    .join(', ');

/** The shapes of the slots of saved state. */
export const shapesIn = ({ slots }: StateSnapshot): string =>
  showShapes(mapValues(slots, ({ shape }) => shape));

/** Throws unless saved state has the slots of a variable. */
export function checkFits(
  label: string,
  saved: StateSnapshot,
  { name, shapes }: VariableState,
): void {
  const found = shapesIn(saved);
  const needed = showShapes(shapes);
  if (found !== needed)
    throw new Error(
      `${label}: the saved state of ${show(saved.name)} (${found}) does not fit ` +
        `the variable ${show(name)}, which needs ${needed}`,
    );
}
