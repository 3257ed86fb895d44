/** What an optimizer keeps from one step to the next, and the order of what happens in a step. */
import {
  backend,
  clone,
  dispose,
  engine,
  randomNormal,
  tidy,
  zeros,
  type Tensor,
  type Variable,
} from '@tensorflow/tfjs-core';
import type { Stage } from '../compiler/plan.js';
import { preparationOf } from '../compiler/rule.js';
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
import type { ResetOptions } from './reset.js';
import { matchStates } from './match-states.js';
import { checkFits, copyState, type StateSnapshot } from './saved-state.js';
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

  /** Throws if saved state does not fit a variable of its name. */
  checkSaved(snapshots: readonly StateSnapshot[]): void {
    for (const snapshot of snapshots) {
      const state = this.#states.get(snapshot.name);
      if (state) checkFits(this.#label, snapshot, state);
    }
  }

  /** Replaces all state by saved state, whose tensors it takes. */
  load(snapshots: readonly StateSnapshot[]): void {
    this.clear();
    for (const snapshot of snapshots) this.#saved.add(snapshot);
  }

  /** Starts parts of the state anew, by default that of all variables that exist. */
  reset(parts: Required<ResetOptions>, given?: readonly Variable[]): void {
    const isWhole = Object.values(parts).every(Boolean);
    if (!given && !isWhole && this.#saved.size > 0)
      throw new Error(
        `${this.#label}: reset must be given the variables, ` +
          'since loaded state has not found its own yet',
      );
    const variables = given ?? this.#variables();
    this.prepare(variables);
    if (!given) this.#dropSaved();
    const names = new Set(variables.map(({ name }) => name));
    this.states().forEach((state, i) => {
      if (names.has(state.name)) this.#resetState(state, parts, i + 1);
    });
    // Measures what is to be measured anew.
    this.prepare(variables);
  }

  #resetState(
    state: VariableState,
    { norms, moments, counts }: Required<ResetOptions>,
    ordinal: number,
  ): void {
    const measured = preparationOf(state.rule) ?? {};
    for (const [slot, shape] of Object.entries(moments ? state.shapes : {})) {
      if (slot in measured) continue;
      tidy(() => {
        const values = this.#initialValues(state, slot, ordinal) ?? zeros([...shape]);
        this.#executor!.write(state.slots[slot], values);
      });
    }
    if (counts) state.count = 0;
    if (norms) state.prepared = !state.plans.prepare;
  }

  /** The variables that have state and exist. */
  #variables(): Variable[] {
    const { registeredVariables } = engine();
    return this.states().flatMap(({ name }) => registeredVariables[name] ?? []);
  }

  /** Drops loaded state that waits for its variables. */
  #dropSaved(): void {
    dispose([...this.#saved]);
    this.#saved.clear();
  }

  /** Frees all state. */
  clear(): void {
    this.#dropSaved();
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
    const neededStates = new Set(needed.map(({ state }) => state));
    const matches = matchStates(this.#label, [...this.#saved], {
      states,
      needed: neededStates,
      known: this.states(),
    });
    // A step that fails, such as for lack of memory, must not lose what was found for later ones.
    for (const [state, saved] of matches) matches.set(state, this.#rename(saved, state.name));
    for (const state of states) {
      const saved = matches.get(state);
      if (saved || neededStates.has(state)) this.#addVariable(executor, state, saved);
    }
  }

  /** Gives saved state the name of its variable. */
  #rename(saved: StateSnapshot, name: string): StateSnapshot {
    const renamed = { ...saved, name };
    this.#saved.delete(saved);
    this.#saved.add(renamed);
    return renamed;
  }

  /** Gives a variable its slots: the saved ones, or those to start with. */
  #addVariable(executor: Executor, state: VariableState, saved?: StateSnapshot): void {
    // What was loaded and waits for its variable was there before this one.
    const ordinal = this.#states.size + this.#saved.size + 1;
    state.slots = createSlots(executor, state, (slot) =>
      saved ? saved.slots[slot] : this.#initialValues(state, slot, ordinal),
    );
    this.#states.set(state.name, state);
    if (!saved) return;
    state.count = saved.count;
    // The run that saved the state has prepared the variable.
    state.prepared = true;
    this.#saved.delete(saved);
    dispose(saved.slots);
  }

  /** What a slot starts with; undefined for zeros. */
  #initialValues(
    { rule, shapes }: VariableState,
    slot: string,
    ordinal: number,
  ): Tensor | undefined {
    if (!rule.random?.includes(slot)) return undefined;
    // Each variable draws numbers of its own, the same in every run.
    const seed = Number(this.#options.seed ?? 0) + ordinal;
    return randomNormal([...shapes[slot]], 0, 1, 'float32', seed);
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
