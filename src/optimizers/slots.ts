/** Where the slots of variables live: on the executor of the current backend. */
import { tidy, type Tensor } from '@tensorflow/tfjs-core';
import { chooseExecutor, type ExecutorChoice } from '../executors/choose.js';
import type { Executor, Slots } from '../executors/executor.js';
import type { VariableState } from './variable-state.js';

/** Creates the slots of a variable on an executor; 0 where `valuesOf` gives no values. */
export function createSlots(
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
 * Chooses an executor for the current backend, moves all slots to it and disposes the one before.
 */
export function moveSlots(
  choice: ExecutorChoice,
  states: readonly VariableState[],
  previous: Executor | undefined,
): Executor {
  const next = chooseExecutor(choice);
  try {
    const moved = states.map((state) =>
      createSlots(next, state, (slot) => previous!.read(state.slots[slot])),
    );
    states.forEach((state, i) => {
      state.slots = moved[i];
    });
  } catch (error) {
    next.dispose();
    throw error;
  }
  previous?.dispose();
  return next;
}
