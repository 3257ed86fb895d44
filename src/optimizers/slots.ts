/** The slots of variables on the executor of the current backend. */
import { backend, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import { chooseExecutor } from '../executors/choose.js';
import type { Executor, Slots } from '../executors/executor.js';
import type { VariableState } from './variable-state.js';
import type { Options } from './options.js';

/** Half-precision backends round an epsilon below this to 0. */
const smallestHalfEpsilon = 1e-4;

/** The slots of an entry on an executor, with the values that are given; 0 where none are. */
export function newSlots(
  executor: Executor,
  { name, shapes }: VariableState,
  valuesOf: (slot: string, shape: number[]) => Tensor | undefined,
): Slots {
  const slots = executor.create(name, shapes);
  for (const [slot, shape] of Object.entries(shapes)) {
    tidy(() => {
      const values = valuesOf(slot, [...shape]);
      if (values) executor.write(slots[slot], values);
    });
  }
  return slots;
}

/**
 * An executor for the current backend, to which the slots of entries have moved from the one
 * before.
 */
export function moveSlots(
  label: string,
  { epsilon, executor }: Options,
  entries: readonly VariableState[],
  previous: Executor | undefined,
): Executor {
  check(
    backend().floatPrecision() !== 16 || !((epsilon as number) < smallestHalfEpsilon),
    label,
    'epsilon',
    `be at least ${smallestHalfEpsilon} on a backend of half precision, where it would be 0`,
    epsilon,
  );
  const next = chooseExecutor(executor);
  try {
    const moved = entries.map((entry) =>
      newSlots(next, entry, (slot) => previous!.read(entry.slots[slot])),
    );
    entries.forEach((entry, i) => {
      entry.slots = moved[i];
    });
  } catch (error) {
    next.dispose();
    throw error;
  }
  previous?.dispose();
  return next;
}
