/** The base of all optimizers: counts, state and the order of a step. What an update is, its rule says. */
import { backend, dispose, engine, Optimizer, randomNormal, tidy, type NamedTensorMap, type Scalar, type serialization, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import { hostScalars } from '../compiler/rule.js';
import { chooseExecutor } from '../executors/choose.js';
import type { Executor, Job, Slots, StepWide } from '../executors/executor.js';
import { clipByGlobalNorm } from '../rules/global-norm.js';
import { describeEntry, entryMaker, type Description, type Entry } from './entry.js';
import { checkGroupsUsed } from './groups.js';
import { rateAt } from './learning-rate.js';
import { completeOptions, configOf, optionsFrom, type CommonOptions, type Definition, type Options } from './options.js';
import { checkFits, keptState, matchStates, namedState, statesIn, type NamedTensor, type SavedState } from './state.js';
import { checkTensor, gradientsByName, variableNamed, type Gradients } from './updates.js';

/** Half-precision backends round an epsilon below this to 0. */
const smallestHalfEpsilon = 1e-4;

type Member = { readonly variable: Variable; readonly entry: Entry };
type Update = Member & { readonly gradient: Tensor };
/** What a step speaks of. */
type Mention = Member & { readonly gradient: Tensor | undefined };

export abstract class FusedOptimizer extends Optimizer {
  /** Every option that is given or has a default. */
  protected readonly options: Options;
  readonly #owner: string;
  readonly #definition: Definition;
  readonly #newEntry: (variable: Variable) => Entry;
  readonly #clip: StepWide | undefined;
  readonly #entries = new Map<string, Entry>();
  #saved: SavedState[] = [];
  #executor: Executor | undefined;
  #backend: unknown;
  #disposed = false;

  protected constructor(owner: string, definition: Definition, options: CommonOptions) {
    super();
    this.#owner = owner;
    this.#definition = definition;
    this.options = completeOptions(owner, definition, options);
    this.#newEntry = entryMaker(owner, definition, this.options);
    const { clipNorm, probe } = this.options;
    this.#clip = clipNorm === undefined ? undefined : { plan: clipByGlobalNorm(), values: { clipNorm } };
    probe?.attach(owner);
  }

  /** The rate of the next step. */
  get currentLearningRate(): number {
    return rateAt(this.#owner, 'learningRate', this.options.learningRate, this.iterations);
  }

  /** What runs the updates on the current backend: 'wasm', 'webgpu' or 'ops'. */
  get executorName(): Executor['name'] {
    return this.#currentExecutor().name;
  }

  /** What each variable got, in the order of their first appearance. */
  describe(): Description[] {
    return [...this.#entries.values()].map(describeEntry);
  }

  /**
   * Readies variables for their first forward pass. `minimize` and `model.fit` do this by themselves; a hand-made loop
   * calls it once before its first gradient.
   */
  prepare(variables: readonly Variable[]): void {
    this.#prepare(variables);
  }

  override computeGradients(f: () => Scalar, varList?: Variable[]): { value: Scalar; grads: NamedTensorMap } {
    this.#checkAlive();
    if (varList) this.prepare(varList);
    const result = super.computeGradients(f, varList);
    if (varList) return result;
    const names = Object.keys(result.grads).filter((name) => result.grads[name]);
    if (!this.#prepare(names.map((name) => variableNamed(this.#owner, name)))) return result;
    // Without a list only the loss tells which variables it reads: their preparation has changed it.
    dispose(result);
    return super.computeGradients(f);
  }

  override applyGradients(gradients: Gradients): void {
    this.#checkAlive();
    const learningRate = this.currentLearningRate;
    const numbers = this.#definition.numbers?.(this.options, this.iterations);
    const members = this.#membersOf(gradients);
    const updates = members.filter((member): member is Update => !!member.gradient);
    for (const update of updates) this.#checkUpdate(update, learningRate);
    const executor = this.#currentExecutor();
    this.#admit(members, updates);
    const jobs = updates.map((update) => this.#job(update, learningRate, numbers));

    this.#runPreparations(updates);
    const readings = executor.step(jobs, this.#clip);
    this.options.probe?.record(this.iterations, updates.map(({ entry }) => entry), readings);
    for (const { entry } of updates) entry.count++;
    this.incrementIterations();
  }

  override async getWeights(): Promise<NamedTensor[]> {
    this.#checkAlive();
    const current = [...this.#entries.values()].flatMap((entry) => namedState(entry, (slot) => this.#executor!.read(slot)));
    const waiting = this.#saved.flatMap((state) => namedState(state, (tensor) => tensor.clone()));
    return [await this.saveIterations(), ...current, ...waiting];
  }

  override async setWeights(weights: NamedTensor[]): Promise<void> {
    this.#checkAlive();
    const states = await statesIn(this.#owner, weights);
    for (const state of states) {
      const entry = this.#entries.get(state.name);
      if (entry) checkFits(this.#owner, state, entry);
    }
    await this.extractIterations(weights);
    this.#forget();
    this.#saved = states.map(keptState);
  }

  getConfig(): serialization.ConfigDict {
    return configOf(this.#owner, this.options);
  }

  static override fromConfig<T extends serialization.Serializable>(cls: serialization.SerializableConstructor<T>, config: serialization.ConfigDict): T {
    return new cls(optionsFrom(cls.className ?? cls.name, config));
  }

  /** Frees all state; the optimizer cannot be used after. */
  override dispose(): void {
    this.options.probe?.dispose();
    this.#forget();
    this.#disposed = true;
  }

  #checkAlive(): void {
    if (this.#disposed) throw new Error(`${this.#owner}: this optimizer was disposed; make a new one`);
  }

  #forget(): void {
    dispose(this.#saved);
    this.#saved = [];
    this.#entries.clear();
    this.#executor?.dispose();
    this.#executor = undefined;
  }

  /** A variable with its entry, which may be one that is not yet known to the optimizer. */
  #memberOf(variable: Variable): Member {
    return { variable, entry: this.#entries.get(variable.name) ?? this.#newEntry(variable) };
  }

  /** The variables that a step speaks of; one without a gradient may be gone. */
  #membersOf(gradients: Gradients): Mention[] {
    const named = [...gradientsByName(this.#owner, gradients)].filter(([name, gradient]) => gradient || engine().registeredVariables[name]);
    return named.map(([name, gradient]) => ({ ...this.#memberOf(variableNamed(this.#owner, name)), gradient }));
  }

  #checkUpdate({ variable, gradient, entry: { settings } }: Update, learningRate: number): void {
    checkTensor(this.#owner, 'variable', settings, variable);
    checkTensor(this.#owner, 'the gradient of', settings, gradient);
    const decay = learningRate * settings.learningRateScale * settings.weightDecay;
    if (decay < 1 || !this.#definition.decoupled) return;
    throw new Error(`${this.#owner}: variable ${show(settings.name)}: learningRate * weightDecay must be below 1, or the decay turns the sign of the weights, got ${decay}`);
  }

  /** Takes in variables that are new, if they are needed or have saved state; nothing changes if one of them is refused. */
  #admit(members: readonly Member[], needed = members): void {
    const newcomers = members.map(({ entry }) => entry).filter(({ name }) => !this.#entries.has(name));
    if (newcomers.length === 0) return;
    const first = this.#entries.size === 0;
    if (first) {
      checkGroupsUsed(this.#owner, this.options.groups, Object.keys(engine().registeredVariables));
      this.#definition.checkFirst?.(newcomers);
    }
    const states = matchStates(this.#owner, this.#saved, newcomers, first);
    const executor = this.#currentExecutor();
    for (const entry of newcomers) {
      const state = states.get(entry);
      if (!state && !needed.some((member) => member.entry === entry)) continue;
      // Each variable draws numbers of its own, the same in every run.
      const seed = Number(this.options.seed ?? 0) + this.#entries.size + 1;
      entry.slots = newSlots(executor, entry, (slot, shape) => state?.slots[slot] ?? (entry.rule.random?.includes(slot) ? randomNormal(shape, 0, 1, 'float32', seed) : undefined));
      this.#entries.set(entry.name, entry);
      if (!state) continue;
      entry.count = state.count;
      // What has state has been prepared, in the run that saved it.
      entry.prepared = true;
      dispose(state.slots);
      this.#saved = this.#saved.filter((other) => other !== state);
    }
  }

  /** True if a variable has changed. */
  #prepare(variables: readonly Variable[]): boolean {
    this.#checkAlive();
    const members = [...new Set(variables)].map((variable) => this.#memberOf(variable));
    for (const { variable, entry } of members) checkTensor(this.#owner, 'variable', entry.settings, variable);
    this.#admit(members);
    return this.#runPreparations(members);
  }

  #runPreparations(members: readonly Member[]): boolean {
    const waiting = members.filter(({ entry }) => !entry.prepared);
    for (const { variable, entry } of waiting) {
      const { slots, plans, layout } = entry;
      // A preparation may ask for size, neurons and fanIn.
      this.#currentExecutor().step([{ variable, slots, plan: plans.prepare!, layout, values: layout }]);
      entry.prepared = true;
    }
    return waiting.length > 0;
  }

  #job({ variable, gradient, entry }: Update, learningRate: number, numbers: Readonly<Record<string, number>> | undefined): Job {
    const { settings, rule, plans, layout, slots, count, hostValues } = entry;
    const { probe } = this.options;
    Object.assign(hostValues, numbers);
    hostValues.learningRate = learningRate * settings.learningRateScale;
    hostValues.count = count;
    hostValues.step = this.iterations;
    return { variable, gradient, slots, plan: probe?.wants(this.iterations, entry.name) ? plans.probed! : plans.update, layout, values: hostScalars(rule, hostValues) };
  }

  /** The executor of the current backend; slots move along when the backend has changed. */
  #currentExecutor(): Executor {
    const current = backend();
    const previous = this.#executor;
    if (previous && this.#backend === current) return previous;
    const { epsilon, executor } = this.options;
    check(current.floatPrecision() !== 16 || !((epsilon as number) < smallestHalfEpsilon), this.#owner, 'epsilon', `be at least ${smallestHalfEpsilon} on a backend of half precision, where it would be 0`, epsilon);
    const next = chooseExecutor(executor);
    try {
      const moved = [...this.#entries.values()].map((entry) => [entry, newSlots(next, entry, (slot) => previous!.read(entry.slots[slot]))] as const);
      for (const [entry, slots] of moved) entry.slots = slots;
    } catch (error) {
      next.dispose();
      throw error;
    }
    previous?.dispose();
    this.#executor = next;
    this.#backend = current;
    return next;
  }
}

/** The slots of an entry on an executor, with the values that are given; 0 where none are. */
function newSlots(executor: Executor, { name, shapes }: Entry, valuesOf: (slot: string, shape: number[]) => Tensor | undefined): Slots {
  const slots = executor.create(name, shapes);
  for (const [slot, shape] of Object.entries(shapes)) {
    tidy(() => {
      const values = valuesOf(slot, [...shape]);
      if (values) executor.write(slots[slot], values);
    });
  }
  return slots;
}
