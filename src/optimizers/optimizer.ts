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
    const { options, iterations } = this;
    const learningRate = this.currentLearningRate;
    const numbers = this.#definition.numbers?.(options, iterations);
    const { entries, updates } = this.#updatesOf(gradients);
    if (this.#definition.decoupled) for (const { entry } of updates) this.#checkDecay(entry, learningRate);
    const executor = this.#currentExecutor();
    this.#admit(entries, updates.map(({ entry }) => entry));
    const jobs = updates.map((update) => this.#job(update, learningRate, numbers));

    this.#runPreparations(updates);
    const readings = executor.step(jobs, this.#clip);
    if (readings.length > 0) options.probe!.record(iterations, updates.map(({ entry }) => entry), readings);
    for (const { entry } of updates) entry.count++;
    this.incrementIterations();
  }

  override async getWeights(): Promise<NamedTensor[]> {
    this.#checkAlive();
    const executor = this.#executor;
    return [
      await this.saveIterations(),
      ...[...this.#entries].flatMap(([name, { count, slots }]) => namedState(name, count, slots, (slot) => executor!.read(slot))),
      ...this.#saved.flatMap(({ name, count, slots }) => namedState(name, count, slots, (tensor) => tensor.clone())),
    ];
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

  /** The entry of a variable, one that is not yet known to the optimizer included. */
  #entryOf(variable: Variable): Entry {
    return this.#entries.get(variable.name) ?? this.#newEntry(variable);
  }

  /** As an entry that can be updated. */
  #memberOf(variable: Variable): Member {
    const entry = this.#entryOf(variable);
    checkTensor(this.#owner, 'variable', variable.name, variable, entry.settings.shape);
    return { variable, entry };
  }

  /** What a step changes, and the entries of all variables that it speaks of. */
  #updatesOf(gradients: Gradients): { entries: Entry[]; updates: Update[] } {
    const entries: Entry[] = [];
    const updates: Update[] = [];
    for (const [name, gradient] of gradientsByName(this.#owner, gradients)) {
      if (gradient) {
        const member = this.#memberOf(variableNamed(this.#owner, name));
        checkTensor(this.#owner, 'the gradient of', name, gradient, member.entry.settings.shape);
        updates.push({ ...member, gradient });
        entries.push(member.entry);
      } else {
        const variable = engine().registeredVariables[name];
        if (variable) entries.push(this.#entryOf(variable));
      }
    }
    return { entries, updates };
  }

  /** Throws if this step's decay would turn the sign of the weights. */
  #checkDecay({ settings: { name, learningRateScale, weightDecay } }: Entry, rate: number): void {
    const decay = rate * learningRateScale * weightDecay;
    if (!(decay < 1)) check(false, `${this.#owner}: variable ${show(name)}`, 'learningRate * weightDecay', 'be below 1, or the decay turns the sign of the weights', decay);
  }

  /** Takes in variables that are new, if they are needed or have saved state; nothing changes if one of them is refused. */
  #admit(entries: readonly Entry[], needed: readonly Entry[] = entries): void {
    const newcomers = entries.filter(({ settings: { name } }) => !this.#entries.has(name));
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
      if (!state && !needed.includes(entry)) continue;
      // Each variable draws numbers of its own, the same in every run.
      const seed = Number(this.options.seed ?? 0) + this.#entries.size + 1;
      entry.slots = newSlots(executor, entry, (slot, shape) => state?.slots[slot] ?? (entry.rule.random?.includes(slot) ? randomNormal(shape, 0, 1, 'float32', seed) : undefined));
      this.#entries.set(entry.settings.name, entry);
      if (!state) continue;
      entry.count = state.count;
      // What has state has been prepared, in the run that saved it.
      entry.prepared = true;
      dispose(state.slots);
      this.#saved.splice(this.#saved.indexOf(state), 1);
    }
  }

  /** True if a variable has changed. */
  #prepare(variables: readonly Variable[]): boolean {
    this.#checkAlive();
    const members = [...new Set(variables)].map((variable) => this.#memberOf(variable));
    this.#admit(members.map(({ entry }) => entry));
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
    const probed = probe?.wants(this.iterations) && probe.watches(settings.name);
    Object.assign(hostValues, numbers);
    hostValues.learningRate = learningRate * settings.learningRateScale;
    hostValues.count = count;
    hostValues.step = this.iterations;
    return { variable, gradient, slots, plan: (probed && plans.probed) || plans.update, layout, values: hostScalars(rule, hostValues) };
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
function newSlots(executor: Executor, { settings: { name }, shapes }: Entry, valuesOf: (slot: string, shape: number[]) => Tensor | undefined): Slots {
  const slots = executor.create(name, shapes);
  for (const [slot, shape] of Object.entries(shapes)) {
    tidy(() => {
      const values = valuesOf(slot, [...shape]);
      if (values) executor.write(slots[slot], values);
    });
  }
  return slots;
}
