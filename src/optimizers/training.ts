/** What an optimizer keeps from one step to the next, and the order of what happens in a step. */
import {
  backend,
  clone,
  dispose,
  engine,
  keep,
  randomNormal,
  type Variable,
} from '@tensorflow/tfjs-core';
import type { Stage } from '../compiler/plan.js';
import type { Executor, StepWide } from '../executors/executor.js';
import { clipByGlobalNorm } from '../rules/global-norm.js';
import {
  checkTensor,
  checkUpdate,
  hasGradient,
  stepVariablesOf,
  toJob,
  type Gradients,
  type NameSet,
  type StepVariable,
} from './gradient-updates.js';
import { checkGroupsUsed } from './groups.js';
import type { Definition, Options } from './options.js';
import { checkPrecision, epsilonHere } from './precision.js';
import { checkFits, copyState, matchStates, type StateSnapshot } from './saved-state.js';
import { createSlots, moveSlots } from './slots.js';
import { stateFactory, type VariableState } from './variable-state.js';

/**
 * All that changes while an optimizer trains. A gradient goes from `update` through `toJob` to the
 * executor.
 */
export class Training {
  readonly #label: string;
  readonly #definition: Definition;
  readonly #options: Options;
  readonly #givenEpsilon: number | undefined;
  readonly #newState: ReturnType<typeof stateFactory>;
  /** Scales all gradients of a step; undefined without clipNorm. */
  readonly #clipping: StepWide | undefined;
  /** By variable name, in the order of first appearance. */
  readonly #states = new Map<string, VariableState>();
  /** Loaded state of variables that have not appeared yet. */
  readonly #saved = new Set<StateSnapshot>();
  #executor: Executor | undefined;
  /** The backend that the executor was made for. */
  #backend: unknown;

  constructor(label: string, definition: Definition, options: Options, givenEpsilon?: number) {
    const { clipNorm } = options;
    this.#label = label;
    this.#definition = definition;
    this.#options = options;
    this.#givenEpsilon = givenEpsilon;
    this.#newState = stateFactory(label, definition, options);
    if (clipNorm !== undefined) this.#clipping = { plan: clipByGlobalNorm(), values: { clipNorm } };
  }

  /** The states of the variables, in the order of their first appearance. */
  states(): VariableState[] {
    return [...this.#states.values()];
  }

  /** The epsilon on the current backend, of an optimizer that has one. */
  get epsilon(): number | undefined {
    return epsilonHere(this.#options, this.#givenEpsilon);
  }

  /** The executor of the current backend; slots move along when the backend has changed. */
  executor(): Executor {
    if (!this.#executor || this.#backend !== backend()) {
      checkPrecision(this.#label, this.#options, this.#givenEpsilon);
      this.#executor = moveSlots(this.#options.executor, this.states(), this.#executor);
      this.#backend = backend();
    }
    return this.#executor;
  }

  /**
   * Readies variables for their first forward pass; true if this has changed a weight. Frozen ones
   * are left as they are.
   */
  prepare(variables: readonly Variable[]): boolean {
    const names = new Set(variables.map(({ name }) => name));
    const stepVariables = [...new Set(variables)]
      .filter(({ trainable }) => trainable)
      .map((variable) => ({ variable, state: this.#stateOf(variable, names) }));
    for (const { variable, state } of stepVariables)
      checkTensor(this.#label, 'variable', state.settings, variable);
    const executor = this.executor();
    this.#addVariables(executor, stepVariables, stepVariables);
    return runPreparations(executor, stepVariables);
  }

  /** One step. Throws for gradients and variables that do not fit before anything changes. */
  update(gradients: Gradients, step: number, learningRate: number): void {
    const { epsilon } = this;
    const stepValues = {
      ...this.#definition.stepValues?.(this.#options, step, this.#label),
      ...(epsilon !== undefined && { epsilon }),
      step,
    };
    const rates = {
      ...this.#definition.rates?.(this.#options, step, this.#label),
      learningRate,
    };
    const stepVariables = stepVariablesOf(this.#label, gradients, (variable, names) =>
      this.#stateOf(variable, names),
    );
    const updates = stepVariables.filter(hasGradient);
    for (const update of updates)
      checkUpdate(this.#label, update, this.#definition.decoupled ? learningRate : 0);
    const executor = this.executor();
    this.#addVariables(executor, stepVariables, updates);
    const { probe } = this.#options;
    const jobs = updates.map((update) =>
      toJob(update, rates, stepValues, probe?.shouldRead(step, update.state.name)),
    );

    runPreparations(executor, updates);
    const readings = executor.step(jobs, this.#clipping);
    const states = updates.map(({ state }) => state);
    probe?.record(step, states, readings);
    for (const state of states) state.count++;
  }

  /** All state, or that of one variable, in tensors that are the caller's. */
  snapshots(variableName?: string): StateSnapshot[] {
    const isWanted = ({ name }: { readonly name: string }): boolean =>
      name === (variableName ?? name);
    return [
      ...this.states()
        .filter(isWanted)
        .map((state) => copyState(state, (slot) => this.#executor!.read(slot))),
      ...[...this.#saved].filter(isWanted).map((state) => copyState(state, clone)),
    ];
  }

  /** Replaces all state; throws if it does not fit a variable of its name. */
  load(snapshots: readonly StateSnapshot[]): void {
    for (const snapshot of snapshots) {
      const state = this.#states.get(snapshot.name);
      if (state) checkFits(this.#label, snapshot, state);
    }
    this.clear();
    // The loader may dispose its own tensors.
    for (const snapshot of snapshots)
      this.#saved.add(copyState(snapshot, (tensor) => keep(clone(tensor))));
  }

  /** Frees all state. */
  clear(): void {
    dispose([...this.#saved]);
    this.#saved.clear();
    this.#states.clear();
    this.#executor?.dispose();
    this.#executor = undefined;
  }

  /** The state of a variable, a new one if need be; `names` are those that it comes along with. */
  #stateOf(variable: Variable, names: NameSet): VariableState {
    return (
      this.#states.get(variable.name) ??
      this.#newState(variable, (name) => names.has(name) || this.#states.has(name))
    );
  }

  /**
   * Adds the new ones among the variables: those that have saved state, and those that are needed.
   * Throws before anything changes if the new variables and groups or saved state do not fit.
   */
  #addVariables(
    executor: Executor,
    stepVariables: readonly StepVariable[],
    needed: readonly StepVariable[],
  ): void {
    const newVariables = stepVariables.filter(({ state }) => !this.#states.has(state.name));
    if (newVariables.length === 0) return;
    const states = newVariables.map(({ state }) => state);
    const first = this.#states.size === 0;
    const registered = Object.keys(engine().registeredVariables);
    if (first) {
      checkGroupsUsed(this.#label, this.#options.groups, registered);
      this.#definition.checkFirst?.(states, this.#label);
    }
    this.#options.probe?.select?.([...states, ...this.states()], registered);
    const matches = matchStates(this.#label, [...this.#saved], states, first);
    for (const stepVariable of newVariables) {
      const { state } = stepVariable;
      const saved = matches.get(state);
      if (saved || needed.includes(stepVariable)) this.#addVariable(executor, state, saved);
    }
  }

  /** Gives a variable its slots: the saved ones, or those to start with. */
  #addVariable(executor: Executor, state: VariableState, saved?: StateSnapshot): void {
    // Each variable draws numbers of its own, the same in every run.
    const seed = Number(this.#options.seed ?? 0) + this.#states.size + 1;
    state.slots = createSlots(executor, state, (slot, shape) => {
      if (saved) return saved.slots[slot];
      const isRandom = state.rule.random?.includes(slot);
      return isRandom ? randomNormal(shape, 0, 1, 'float32', seed) : undefined;
    });
    this.#states.set(state.name, state);
    if (!saved) return;
    state.count = saved.count;
    // The run that saved the state has prepared the variable.
    state.prepared = true;
    this.#saved.delete(saved);
    dispose(saved.slots);
  }
}

/** Runs the preparations that have not been run; true if one of them changes weights. */
function runPreparations(executor: Executor, stepVariables: readonly StepVariable[]): boolean {
  const waiting = stepVariables.filter(({ state }) => !state.prepared);
  if (waiting.length === 0) return false;
  // A preparation may ask for size, neurons and fanIn.
  executor.step(
    waiting.map(({ variable, state: { slots, plans, layout } }) => ({
      variable,
      slots,
      plan: plans.prepare!,
      layout,
      values: layout,
    })),
  );
  for (const { state } of waiting) state.prepared = true;
  return waiting.some(({ state }) => state.plans.prepare!.stages.some(changesWeights));
}

/** True if a stage of a preparation writes anything to the weights but what it has loaded: them. */
const changesWeights = ({ instructions, stores }: Stage): boolean =>
  stores.some(
    ({ buffer: { role }, value }) => role === 'variable' && instructions[value].op !== 'load',
  );
