/** The base of all optimizers: counts, state and the order of a step. What an update is, its rule says. */
import { backend, engine, Optimizer, randomNormal, scalar, tidy, type NamedTensorMap, type Scalar, type serialization, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import { check, checkCount, show } from '../check.js';
import { hostScalars } from '../compiler/rule.js';
import { chooseExecutor } from '../executors/choose.js';
import type { Executor, Job, Slots } from '../executors/executor.js';
import { clipByGlobalNorm } from '../rules/global-norm.js';
import { describeEntry, entryMaker, waitsForPreparation, type Description, type Entry } from './entry.js';
import { checkGroupsUsed } from './groups.js';
import { rateAt } from './learning-rate.js';
import { completeOptions, configOf, numbersAt, optionsFrom, type CommonOptions, type Definition, type Options } from './options.js';
import { checkSaved, disposeSaved, groupByVariable, matchSaved, type NamedTensor, type SavedVariable } from './state.js';
import { checkVariable, updatesOf, variableNamed, type Gradients } from './updates.js';

/** Half-precision backends round an epsilon below this to 0. */
const smallestHalfEpsilon = 1e-4;

export abstract class FusedOptimizer extends Optimizer {
  /** Every option, defaults written out. */
  protected readonly options: Options;
  readonly #owner: string;
  readonly #definition: Definition;
  readonly #newEntry: (variable: Variable) => Entry;
  readonly #entries = new Map<string, Entry>();
  readonly #clip: ReturnType<typeof clipByGlobalNorm> | undefined;
  #saved: SavedVariable[] = [];
  #executor: Executor | undefined;
  #backend: unknown;
  #groupsChecked = false;
  #disposed = false;

  protected constructor(owner: string, definition: Definition, options: CommonOptions) {
    super();
    this.#owner = owner;
    this.#definition = definition;
    this.options = completeOptions(owner, definition, options);
    this.#newEntry = entryMaker(owner, definition, this.options);
    this.#clip = this.options.clipNorm === undefined ? undefined : clipByGlobalNorm();
    this.options.probe?.attach(owner);
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
    this.#checkAlive();
    for (const variable of variables) checkVariable(this.#owner, variable, this.#shapeOf(variable.name));
    this.#admit(variables.map(({ name }) => name));
    for (const variable of variables) {
      const entry = this.#entries.get(variable.name)!;
      if (!waitsForPreparation(entry)) continue;
      const { plans, layout, slots } = entry;
      const { size, neurons, fanIn } = layout;
      this.#currentExecutor().step([{ variable, slots, plan: plans.prepare!, layout, values: { size, neurons, fanIn } }]);
      entry.prepared = true;
    }
  }

  override computeGradients(f: () => Scalar, varList?: Variable[]): { value: Scalar; grads: NamedTensorMap } {
    this.#checkAlive();
    if (varList) {
      this.prepare(varList);
      return super.computeGradients(f, varList);
    }
    const result = super.computeGradients(f);
    const variables = Object.keys(result.grads).filter((name) => result.grads[name]).map((name) => variableNamed(this.#owner, name));
    this.#admit(variables.map(({ name }) => name));
    if (!variables.some(({ name }) => waitsForPreparation(this.#entries.get(name)!))) return result;
    this.prepare(variables);
    // Without a list only the loss tells which variables it reads: their preparation has changed it.
    result.value.dispose();
    for (const gradient of Object.values(result.grads)) gradient?.dispose();
    return super.computeGradients(f);
  }

  override applyGradients(gradients: Gradients): void {
    this.#checkAlive();
    const { updates, names } = updatesOf(this.#owner, gradients, (name) => this.#shapeOf(name));
    const learningRate = this.currentLearningRate;
    for (const { variable } of updates) this.#checkDecay(variable, learningRate);
    const numbers = numbersAt(this.#owner, this.#definition, this.options, this.iterations);
    const executor = this.#currentExecutor();
    const registered = names.filter((name) => engine().registeredVariables[name]);
    this.#admit(registered, updates.map(({ variable }) => variable.name));
    const jobs = updates.map(({ variable, gradient }) => this.#job(variable, gradient, learningRate, numbers));

    this.prepare(updates.map(({ variable }) => variable));
    const readings = executor.step(jobs, this.#clip && { plan: this.#clip, values: { clipNorm: this.options.clipNorm! } });
    if (readings.length > 0) {
      const probed = jobs.map(({ variable, layout }) => {
        const { count, hostValues, rule } = this.#entries.get(variable.name)!;
        return { name: variable.name, neurons: layout.neurons, count, momentumDecay: rule.roles.momentumDecay, values: { ...hostValues } };
      });
      this.options.probe!.record(this.iterations, probed, readings);
    }
    for (const { variable } of updates) this.#entries.get(variable.name)!.count++;
    this.incrementIterations();
  }

  override async getWeights(): Promise<NamedTensor[]> {
    this.#checkAlive();
    const executor = this.#executor;
    const current = [...this.#entries].flatMap(([name, { count, slots }]) => [
      { name: `${name}/count`, tensor: scalar(count, 'int32') as Tensor },
      ...Object.entries(slots).map(([slot, kept]) => ({ name: `${name}/${slot}`, tensor: executor!.read(kept) })),
    ]);
    const waiting = this.#saved.flatMap(({ name, tensors }) => [...tensors].map(([slot, tensor]) => ({ name: `${name}/${slot}`, tensor: tensor.clone() })));
    return [await this.saveIterations(), ...current, ...waiting];
  }

  override async setWeights(weights: NamedTensor[]): Promise<void> {
    this.#checkAlive();
    const [first] = weights;
    if (first?.name.split('/').at(-1) !== 'iter') throw new Error(`${this.#owner}: the first saved weight must be 'iter', got ${show(first?.name)}`);
    const malformed = weights.slice(1).find(({ name }) => !name.includes('/'));
    if (malformed) throw new Error(`${this.#owner}: saved weights must be named <variable>/<slot>, got ${show(malformed.name)}`);
    const saved = groupByVariable(weights.slice(1));
    try {
      checkCount(this.#owner, `the saved ${show(first.name)}`, (await first.tensor.data())[0]);
      for (const state of saved) await checkSaved(this.#owner, state, this.#entries.get(state.name)?.shapes);
      await this.extractIterations(weights);
    } catch (error) {
      disposeSaved(saved);
      throw error;
    }
    disposeSaved(this.#saved);
    this.#entries.clear();
    this.#executor?.dispose();
    this.#executor = undefined;
    this.#saved = saved;
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
    disposeSaved(this.#saved);
    this.#saved = [];
    this.#executor?.dispose();
    this.#executor = undefined;
    this.#entries.clear();
    this.#disposed = true;
  }

  #checkAlive(): void {
    if (this.#disposed) throw new Error(`${this.#owner}: this optimizer was disposed; make a new one`);
  }

  #shapeOf(name: string): readonly number[] | undefined {
    return this.#entries.get(name)?.settings.shape;
  }

  /** Throws if this step's decay would turn the sign of the weights. */
  #checkDecay(variable: Variable, rate: number): void {
    if (!this.#definition.decoupled) return;
    const { name, learningRateScale, weightDecay } = (this.#entries.get(variable.name) ?? this.#newEntry(variable)).settings;
    const decay = rate * learningRateScale * weightDecay;
    if (!(decay < 1)) check(false, `${this.#owner}: variable ${show(name)}`, 'learningRate * weightDecay', 'be below 1, or the decay turns the sign of the weights', decay);
  }

  /** Makes entries for variables seen for the first time; nothing changes if one of them is refused. */
  #admit(names: readonly string[], needed: readonly string[] = names): void {
    if (!this.#groupsChecked) checkGroupsUsed(this.#owner, this.options.groups, Object.keys(engine().registeredVariables));
    this.#groupsChecked = true;
    const unknown = [...new Set(names)].filter((name) => !this.#entries.has(name));
    if (unknown.length === 0) return;
    const newcomers = unknown.map((name) => this.#newEntry(variableNamed(this.#owner, name)));
    const { expected } = this.#definition;
    if (expected && this.#entries.size === 0 && !newcomers.some(({ rule }) => rule === expected)) {
      throw new Error(`${this.#owner}: would rotate none of ${names.map(show).join(', ')}; it needs variables of rank 2 or more with a weightDecay above 0 (or a rotation)`);
    }
    const saved = matchSaved(this.#owner, this.#saved, newcomers.map((entry) => ({ name: entry.settings.name, slots: entry.shapes, entry })), this.#entries.size === 0);
    const states = new Map([...saved].map(([{ name }, state]) => [name, state]));
    for (const entry of newcomers) {
      const { name } = entry.settings;
      const state = states.get(name);
      if (!state && !needed.includes(name)) continue;
      entry.slots = this.#currentExecutor().create(name, entry.shapes);
      this.#entries.set(name, entry);
      this.#fillRandom(entry);
      if (!state) continue;
      this.#restore(entry, state);
      entry.count = state.tensors.get('count')!.dataSync()[0];
      // What has state has been prepared, in the run that saved it.
      entry.prepared = true;
      disposeSaved([state]);
      this.#saved.splice(this.#saved.indexOf(state), 1);
    }
  }

  #fillRandom({ rule, shapes, slots }: Entry): void {
    for (const slot of rule.random ?? []) {
      // Each variable draws numbers of its own, the same in every run.
      const numbers = randomNormal([...shapes[slot]], 0, 1, 'float32', Number(this.options.seed ?? 0) + this.#entries.size);
      this.#currentExecutor().write(slots[slot], numbers);
      numbers.dispose();
    }
  }

  #restore({ slots }: Entry, { tensors }: SavedVariable): void {
    for (const [slot, tensor] of tensors) if (slot !== 'count') this.#currentExecutor().write(slots[slot], tensor);
  }

  #job(variable: Variable, gradient: Tensor, rate: number, numbers: Readonly<Record<string, number>>): Job {
    const { settings, rule, plans, layout, slots, count, hostValues } = this.#entries.get(variable.name)!;
    const { probe } = this.options;
    const watched = probe?.wants(this.iterations) && probe.watches(variable.name);
    const plan = (watched && plans.probed) || plans.update;
    Object.assign(hostValues, numbers);
    hostValues.learningRate = rate * settings.learningRateScale;
    hostValues.count = count;
    hostValues.step = this.iterations;
    return { variable, gradient, slots, plan, layout, values: hostScalars(rule, hostValues) };
  }

  /** The executor of the current backend; slots move along when the backend has changed. */
  #currentExecutor(): Executor {
    const current = backend();
    if (this.#executor && this.#backend === current) return this.#executor;
    const epsilon = this.options.epsilon as number | undefined;
    if (epsilon !== undefined && current.floatPrecision() === 16) {
      check(epsilon >= smallestHalfEpsilon, this.#owner, 'epsilon', `be at least ${smallestHalfEpsilon} on a backend of half precision, where it would be 0`, epsilon);
    }
    const next = chooseExecutor(this.options.executor);
    const previous = this.#executor;
    const move = ({ settings: { name }, shapes, slots }: Entry): Slots => {
      const moved = next.create(name, shapes);
      for (const slot of Object.keys(slots)) tidy(() => next.write(moved[slot], previous!.read(slots[slot])));
      return moved;
    };
    try {
      const moved = [...this.#entries.values()].map((entry) => ({ entry, slots: move(entry) }));
      for (const { entry, slots } of moved) entry.slots = slots;
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
