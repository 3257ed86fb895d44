/** The order of a step, and what is kept from one to the next. */
import {
  backend,
  dispose,
  engine,
  randomNormal,
  type Tensor,
  type Variable,
} from '@tensorflow/tfjs-core';
import type { Executor } from '../executors/executor.js';
import { clipByGlobalNorm } from '../rules/global-norm.js';
import { variableStateMaker, jobOf, type VariableState } from './variable-state.js';
import { checkGroupsUsed } from './groups.js';
import type { Definition, Options } from './options.js';
import { moveSlots, newSlots } from './slots.js';
import {
  checkFits,
  keptState,
  matchStates,
  namedState,
  type NamedTensor,
  type SavedState,
} from './state.js';
import {
  checkTensor,
  checkUpdate,
  gradientsByName,
  variableNamed,
  type Gradients,
  type Member,
  type Update,
} from './updates.js';

export type Training = {
  /** The variables' entries, in the order of their first appearance. */
  entries(): VariableState[];
  /** The executor of the current backend; slots move along when the backend has changed. */
  executor(): Executor;
  /** Readies variables for their first forward pass; true if one has changed. */
  prepare(variables: readonly Variable[]): boolean;
  update(gradients: Gradients, step: number, learningRate: number): void;
  /** All state, in tensors that are the caller's. */
  weights(): NamedTensor[];
  /** Replaces all state; throws if it does not fit a variable of its name. */
  load(states: readonly SavedState[]): void;
  /** Frees all state. */
  clear(): void;
};

export function startTraining(label: string, definition: Definition, options: Options): Training {
  const { clipNorm, groups, probe, seed = 0 } = options;
  const newEntry = variableStateMaker(label, definition, options);
  const clip =
    clipNorm === undefined ? undefined : { plan: clipByGlobalNorm(), values: { clipNorm } };
  const entries = new Map<string, VariableState>();
  let saved: readonly SavedState[] = [];
  let current: Executor | undefined;
  let currentBackend: unknown;

  function executor(): Executor {
    if (current && currentBackend === backend()) return current;
    current = moveSlots(label, options, [...entries.values()], current);
    currentBackend = backend();
    return current;
  }

  function clear(): void {
    for (const { slots } of saved) dispose(slots);
    saved = [];
    entries.clear();
    current?.dispose();
    current = undefined;
  }

  const memberOf = (variable: Variable, gradient?: Tensor): Member => ({
    variable,
    entry: entries.get(variable.name) ?? newEntry(variable),
    gradient,
  });

  /**
   * Takes in variables that are new, if they are needed or have saved state; nothing changes if one
   * of them is refused.
   */
  function admit(members: readonly Member[], needed = members): void {
    const newcomers = members.map(({ entry }) => entry).filter(({ name }) => !entries.has(name));
    if (newcomers.length === 0) return;
    const first = entries.size === 0;
    if (first) {
      checkGroupsUsed(label, groups, Object.keys(engine().registeredVariables));
      definition.checkFirst?.(newcomers);
    }
    const states = matchStates(label, saved, newcomers, first);
    for (const entry of newcomers) {
      const state = states.get(entry);
      if (!state && !needed.some((member) => member.entry === entry)) continue;
      // Each variable draws numbers of its own, the same in every run.
      const random = (shape: number[]) =>
        randomNormal(shape, 0, 1, 'float32', Number(seed) + entries.size + 1);
      entry.slots = newSlots(executor(), entry, (slot, shape) =>
        state ? state.slots[slot] : entry.rule.random?.includes(slot) ? random(shape) : undefined,
      );
      entries.set(entry.name, entry);
      if (!state) continue;
      entry.count = state.count;
      // What has state has been prepared, in the run that saved it.
      entry.prepared = true;
      dispose(state.slots);
      saved = saved.filter((other) => other !== state);
    }
  }

  function runPreparations(members: readonly Member[]): boolean {
    const waiting = members.filter(({ entry }) => !entry.prepared);
    if (waiting.length === 0) return false;
    // A preparation may ask for size, neurons and fanIn.
    executor().step(
      waiting.map(({ variable, entry: { slots, plans, layout } }) => ({
        variable,
        slots,
        plan: plans.prepare!,
        layout,
        values: layout,
      })),
    );
    for (const { entry } of waiting) entry.prepared = true;
    return true;
  }

  return {
    entries: () => [...entries.values()],
    executor,
    clear,

    prepare(variables) {
      const members = [...new Set(variables)].map((variable) => memberOf(variable));
      for (const { variable, entry } of members)
        checkTensor(label, 'variable', entry.settings, variable);
      admit(members);
      return runPreparations(members);
    },

    update(gradients, step, learningRate) {
      const numbers = { ...definition.numbers?.(options, step), step };
      // Without a gradient a variable may be gone.
      const mentioned = [...gradientsByName(label, gradients)].filter(
        ([name, gradient]) => gradient || engine().registeredVariables[name],
      );
      const members = mentioned.map(([name, gradient]) =>
        memberOf(variableNamed(label, name), gradient),
      );
      const updates = members.filter((member): member is Update => !!member.gradient);
      for (const update of updates)
        checkUpdate(label, update, definition.decoupled ? learningRate : 0);
      // Throws what it has to before anything changes.
      executor();
      admit(members, updates);
      const jobs = updates.map((update) =>
        jobOf(update, learningRate, numbers, probe?.shouldRead(step, update.entry.name)),
      );

      runPreparations(updates);
      const readings = executor().step(jobs, clip);
      probe?.record(
        step,
        updates.map(({ entry }) => entry),
        readings,
      );
      for (const { entry } of updates) entry.count++;
    },

    weights: () => [
      ...[...entries.values()].flatMap((entry) => namedState(entry, (slot) => current!.read(slot))),
      ...saved.flatMap((state) => namedState(state, (tensor) => tensor.clone())),
    ],

    load(states) {
      for (const state of states) {
        const entry = entries.get(state.name);
        if (entry) checkFits(label, state, entry);
      }
      clear();
      saved = states.map(keptState);
    },
  };
}
