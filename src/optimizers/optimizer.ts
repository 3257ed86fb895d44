/** The base of all optimizers: options, counts, state and the order of a step. What an update is, its rule says. */
import { backend, engine, Optimizer, randomNormal, scalar, tidy, util, type NamedTensorMap, type Scalar, type serialization, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import { check, checkCount, checkNames, checkNumber, show } from '../check.js';
import { layoutOf, type Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';
import { planPrepare, planUpdate, slotShape } from '../compiler/program.js';
import { hostScalars, type HostValues, type Rule } from '../compiler/rule.js';
import { chooseExecutor, type ExecutorChoice } from '../executors/choose.js';
import type { Executor, Job } from '../executors/executor.js';
import { clipByGlobalNorm } from '../rules/global-norm.js';
import { checkGroups, checkGroupsUsed, groupsConfig, groupsFromConfig, settingsOf, type Group, type VariableSettings } from './groups.js';
import type { Hyperparameter } from './hyperparameters.js';
import { checkRate, optionConfig, optionFromConfig, rateAt, type LearningRate } from './learning-rate.js';
import { checkSaved, disposeSaved, groupByVariable, matchSaved, type NamedTensor, type SavedVariable } from './state.js';
import type { Probe } from './probe.js';

/** Options that every optimizer takes. */
export type CommonOptions = {
  /** A number in [0, Infinity), a schedule, or a function of the step. */
  readonly learningRate: LearningRate;
  /** In [0, Infinity); applies to variables of rank 2 and up unless a group says otherwise. */
  readonly weightDecay?: number;
  /** Settings of their own for some variables. */
  readonly groups?: readonly Group[];
  /** Scales all gradients of a step by min(1, clipNorm / |g|), |g| the norm over all of them. Default: no clipping. */
  readonly clipNorm?: number;
  /** Reads how large each update was, for instance an `UpdateProbe` of `tfjs-warmup/probes`. Not saved. */
  readonly probe?: Probe;
  /** 'auto': fused kernels where the backend allows them. 'ops': tfjs operations everywhere. Default 'auto'. */
  readonly executor?: ExecutorChoice;
};

/** What sets one optimizer apart. */
export type Definition = {
  readonly weightDecay: number;
  /** True if weights are multiplied by 1 - learningRate * weightDecay, which must not turn their sign. */
  readonly decoupled: boolean;
  readonly hyperparameters: Readonly<Record<string, Hyperparameter>>;
  /** Numbers of a step for the rule's host that are no hyperparameters by themselves. */
  readonly numbers?: (step: number) => Readonly<Record<string, number>>;
  /** The rule of a variable; the same object for all variables that share it. */
  readonly rule: (settings: VariableSettings, layout: Layout) => Rule;
  /** The rule that at least one variable must get. */
  readonly expected?: Rule;
};

const commonNames = ['learningRate', 'weightDecay', 'groups', 'clipNorm', 'probe', 'executor'] as const;

/** A variable as the optimizer knows it. */
type Entry = {
  readonly settings: VariableSettings;
  readonly rule: Rule;
  readonly plan: Plan;
  readonly layout: Layout;
  /** The shapes of the slots. */
  readonly slots: Readonly<Record<string, readonly number[]>>;
  /** What the rule's host is given, filled in anew at each step: an object a variable and step would be garbage. */
  readonly hostValues: { -readonly [name in keyof HostValues]: HostValues[name] };
  count: number;
  prepared: boolean;
};

/** What `describe` tells of a variable. */
export type Description = VariableSettings & {
  /** True if its weight vectors keep their norm and turn by chosen angles. */
  readonly rotational: boolean;
  /** The name of its update rule. */
  readonly rule: string;
  /** What is kept for it between steps. */
  readonly slots: Rule['slots'];
};

const isRotational = (rule: Rule): boolean => rule.roles.norm !== undefined;

const sizesOf = ({ size, neurons, fanIn }: Layout) => ({ size, neurons, fanIn });

/** What a rule is compiled to. */
type Plans = {
  readonly update: Plan;
  /** The update with a probe's readings. */
  readonly probed: Plan | undefined;
  readonly prepare: Plan | undefined;
};

type Gradients = NamedTensorMap | readonly ({ name: string; tensor?: Tensor | null } | null | undefined)[];

/** Half-precision backends round an epsilon below this to 0. */
const smallestHalfEpsilon = 1e-4;

export abstract class FusedOptimizer extends Optimizer {
  /** Every option, defaults written out. */
  protected readonly options: Readonly<Record<string, unknown>>;
  readonly #owner: string;
  readonly #definition: Definition;
  readonly #entries = new Map<string, Entry>();
  readonly #probe: Probe | undefined;
  readonly #plans = new Map<Rule, Plans>();
  readonly #clip: ReturnType<typeof clipByGlobalNorm> | undefined;
  #saved: SavedVariable[] = [];
  #executor: Executor | undefined;
  #backend: unknown;
  #groupsChecked = false;
  #disposed = false;

  protected constructor(owner: string, definition: Definition, options: CommonOptions) {
    super();
    checkNames(owner, options, [...commonNames, ...Object.keys(definition.hyperparameters)]);
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    const defaults = Object.fromEntries(Object.entries(definition.hyperparameters).map(([name, { default: value }]) => [name, value]));
    const all: Record<string, unknown> = { weightDecay: definition.weightDecay, groups: [], executor: 'auto', ...defaults, ...given };
    checkRate(owner, 'learningRate', all.learningRate);
    checkNumber(owner, 'weightDecay', all.weightDecay, '[0, Infinity)');
    checkGroups(owner, all.groups);
    if (all.clipNorm !== undefined) checkNumber(owner, 'clipNorm', all.clipNorm, '(0, Infinity)');
    check(all.executor === 'auto' || all.executor === 'ops', owner, 'executor', "be 'auto' or 'ops'", all.executor);
    for (const [name, hyperparameter] of Object.entries(definition.hyperparameters)) {
      if (all[name] !== undefined) hyperparameter.check(owner, name, all[name]);
    }
    this.#owner = owner;
    this.#definition = definition;
    this.options = Object.freeze(all);
    this.#clip = all.clipNorm === undefined ? undefined : clipByGlobalNorm();
    this.#probe = all.probe as Probe | undefined;
    if (this.#probe !== undefined) {
      check(typeof this.#probe?.attach === 'function', owner, 'probe', 'be a probe, such as an UpdateProbe', all.probe);
      this.#probe.attach(owner);
    }
  }

  /** The rate of the next step. */
  get currentLearningRate(): number {
    return rateAt(this.#owner, 'learningRate', this.options.learningRate as LearningRate, this.iterations);
  }

  /** What runs the updates on the current backend: 'wasm', 'webgpu' or 'ops'. */
  get executorName(): Executor['name'] {
    return this.#currentExecutor().name;
  }

  /** What each variable got, in the order of their first appearance. */
  describe(): Description[] {
    return [...this.#entries.values()].map(({ settings, rule }) => ({ ...settings, rotational: isRotational(rule), rule: rule.name, slots: rule.slots }));
  }

  /**
   * Readies variables for their first forward pass. `minimize` and `model.fit` do this by themselves; a hand-made loop
   * calls it once before its first gradient.
   */
  prepare(variables: readonly Variable[]): void {
    this.#checkAlive();
    for (const variable of variables) this.#checkVariable(variable);
    this.#admit(variables.map(({ name }) => name));
    for (const variable of variables) {
      const entry = this.#entries.get(variable.name)!;
      if (!this.#waitsForPreparation(entry)) continue;
      this.#currentExecutor().prepare(variable, this.#plans.get(entry.rule)!.prepare!, entry.layout, sizesOf(entry.layout));
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
    if (!variables.some(({ name }) => this.#waitsForPreparation(this.#entries.get(name)!))) return result;
    this.prepare(variables);
    // Without a list only the loss tells which variables it reads: their preparation has changed it.
    result.value.dispose();
    for (const gradient of Object.values(result.grads)) gradient?.dispose();
    return super.computeGradients(f);
  }

  override applyGradients(gradients: Gradients): void {
    this.#checkAlive();
    const named = Array.isArray(gradients)
      ? (gradients as readonly ({ name: string; tensor?: Tensor | null } | null | undefined)[]).filter((entry) => entry !== null && entry !== undefined)
      : Object.entries(gradients as NamedTensorMap).map(([name, tensor]) => ({ name, tensor }));
    const updates = named.flatMap(({ name, tensor }) => (tensor ? [{ variable: variableNamed(this.#owner, name), gradient: tensor }] : []));
    for (const { variable, gradient } of updates) this.#checkUpdate(variable, gradient);
    const seen = new Set<string>();
    const twice = updates.map(({ variable }) => variable.name).find((name) => seen.size === seen.add(name).size);
    if (twice !== undefined) throw new Error(`${this.#owner}: variable ${show(twice)} has two gradients in one step; add them up`);
    const learningRate = this.currentLearningRate;
    for (const { variable } of updates) this.#checkDecay(variable, learningRate);
    const numbers = this.#numbers();
    const executor = this.#currentExecutor();
    const registered = named.map(({ name }) => name).filter((name) => engine().registeredVariables[name]);
    this.#admit(registered, updates.map(({ variable }) => variable.name));
    const jobs = updates.map(({ variable, gradient }) => this.#job(variable, gradient, learningRate, numbers));

    this.prepare(updates.map(({ variable }) => variable));
    const reading = executor.step(jobs, this.#clip && { stage: this.#clip, values: { clipNorm: this.options.clipNorm as number } });
    if (reading) {
      const probed = jobs.map(({ variable, layout }) => {
        const { count, hostValues, rule } = this.#entries.get(variable.name)!;
        return { name: variable.name, neurons: layout.neurons, count, momentumDecay: rule.roles.momentumDecay, values: { ...hostValues } };
      });
      this.#probe!.record(this.iterations, probed, reading);
    }
    for (const { variable } of updates) this.#entries.get(variable.name)!.count++;
    this.incrementIterations();
  }

  override async getWeights(): Promise<NamedTensor[]> {
    this.#checkAlive();
    const executor = this.#executor;
    const current = [...this.#entries].flatMap(([name, { count, slots }]) => [
      { name: `${name}/count`, tensor: scalar(count, 'int32') as Tensor },
      ...Object.keys(slots).map((slot) => ({ name: `${name}/${slot}`, tensor: executor!.read(name, slot) })),
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
      for (const state of saved) await checkSaved(this.#owner, state, this.#entries.get(state.name)?.slots);
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
    const { groups, probe: _, ...rest } = this.options;
    const config = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, optionConfig(this.#owner, name, value)]));
    return { ...config, groups: groupsConfig(groups as Group[]) } as unknown as serialization.ConfigDict;
  }

  static override fromConfig<T extends serialization.Serializable>(cls: serialization.SerializableConstructor<T>, config: serialization.ConfigDict): T {
    // tfjs-layers adds customObjects to every config that it loads.
    const { groups, customObjects: _, ...rest } = config as Record<string, unknown>;
    const options = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, optionFromConfig(cls.className ?? cls.name, name, value)]));
    return new cls({ ...options, groups: groupsFromConfig(groups as Parameters<typeof groupsFromConfig>[0]) });
  }

  /** Frees all state; the optimizer cannot be used after. */
  override dispose(): void {
    this.#probe?.dispose();
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

  #makePlans(rule: Rule): Plans {
    const [scaled, probe] = [this.#clip !== undefined, this.#probe];
    return {
      update: planUpdate(rule, scaled),
      probed: probe && planUpdate(rule, scaled, (values) => probe.readings(values)),
      prepare: planPrepare(rule),
    };
  }

  #waitsForPreparation({ rule, prepared, count }: Entry): boolean {
    return !prepared && count === 0 && this.#plans.get(rule)!.prepare !== undefined;
  }

  #checkVariable({ name, dtype, shape }: Variable): void {
    const known = this.#entries.get(name)?.settings.shape ?? shape;
    if (dtype === 'float32' && util.arraysEqual(known as number[], shape)) return;
    const owner = `${this.#owner}: variable ${show(name)}`;
    check(dtype === 'float32', owner, 'dtype', "be 'float32'", dtype);
    check(false, owner, 'shape', `stay ${show(known)}`, shape);
  }

  #checkUpdate(variable: Variable, gradient: Tensor): void {
    this.#checkVariable(variable);
    const { name, shape } = variable;
    if (!gradient.isDisposed && gradient.dtype === 'float32' && util.arraysEqual(gradient.shape, shape)) return;
    const owner = `${this.#owner}: variable ${show(name)}`;
    if (gradient.isDisposed) throw new Error(`${owner}: its gradient was disposed`);
    check(gradient.dtype === 'float32', owner, "its gradient's dtype", "be 'float32'", gradient.dtype);
    check(false, owner, "its gradient's shape", `be ${show(shape)}`, gradient.shape);
  }

  /** Throws if this step's decay would turn the sign of the weights. */
  #checkDecay(variable: Variable, rate: number): void {
    if (!this.#definition.decoupled) return;
    const { name, learningRateScale, weightDecay } = this.#entries.get(variable.name)?.settings ?? this.#settings(variable);
    const decay = rate * learningRateScale * weightDecay;
    if (!(decay < 1)) check(false, `${this.#owner}: variable ${show(name)}`, 'learningRate * weightDecay', 'be below 1, or the decay turns the sign of the weights', decay);
  }

  /** Makes entries for variables seen for the first time; nothing changes if one of them is refused. */
  #admit(names: readonly string[], needed: readonly string[] = names): void {
    if (!this.#groupsChecked) checkGroupsUsed(this.#owner, this.options.groups as Group[], Object.keys(engine().registeredVariables));
    this.#groupsChecked = true;
    const unknown = [...new Set(names)].filter((name) => !this.#entries.has(name));
    if (unknown.length === 0) return;
    const newcomers = unknown.map((name) => this.#newEntry(variableNamed(this.#owner, name)));
    const { expected } = this.#definition;
    if (expected && this.#entries.size === 0 && !newcomers.some(({ rule }) => rule === expected)) {
      throw new Error(`${this.#owner}: would rotate none of ${names.map(show).join(', ')}; it needs variables of rank 2 or more with a weightDecay above 0 (or a rotation)`);
    }
    const saved = matchSaved(this.#owner, this.#saved, newcomers.map((entry) => ({ name: entry.settings.name, slots: entry.slots, entry })), this.#entries.size === 0);
    const states = new Map([...saved].map(([{ name }, state]) => [name, state]));
    for (const entry of newcomers) {
      const { name } = entry.settings;
      const state = states.get(name);
      if (!state && !needed.includes(name)) continue;
      this.#currentExecutor().create(name, entry.slots);
      this.#entries.set(name, entry);
      this.#fillRandom(entry);
      if (!state) continue;
      this.#restore(name, state);
      entry.count = state.tensors.get('count')!.dataSync()[0];
      // What has state has been prepared, in the run that saved it.
      entry.prepared = true;
      disposeSaved([state]);
      this.#saved.splice(this.#saved.indexOf(state), 1);
    }
  }

  #fillRandom({ rule, settings: { name }, slots }: Entry): void {
    for (const slot of rule.random ?? []) {
      // Each variable draws numbers of its own, the same in every run.
      const numbers = randomNormal([...slots[slot]], 0, 1, 'float32', Number(this.options.seed ?? 0) + this.#entries.size);
      this.#currentExecutor().write(name, slot, numbers);
      numbers.dispose();
    }
  }

  #restore(name: string, { tensors }: SavedVariable): void {
    for (const [slot, tensor] of tensors) if (slot !== 'count') this.#currentExecutor().write(name, slot, tensor);
  }

  #settings({ name, shape }: Variable): VariableSettings {
    return settingsOf(this.#owner, this.options.groups as Group[], this.options.weightDecay as number, { name, shape });
  }

  #newEntry(variable: Variable): Entry {
    const { name, shape } = variable;
    const settings = this.#settings(variable);
    const layout = layoutOf(`${this.#owner}: variable ${show(name)}`, shape, settings.neuronAxis);
    const rule = this.#definition.rule(settings, layout);
    const plans = this.#plans.get(rule) ?? this.#makePlans(rule);
    this.#plans.set(rule, plans);
    const slots = Object.fromEntries(Object.entries(rule.slots).map(([slot, domain]) => [slot, slotShape(domain, shape, layout)]));
    const hostValues = { learningRate: 0, weightDecay: settings.weightDecay, count: 0, step: 0, ...sizesOf(layout) };
    return { settings, rule, plan: plans.update, layout, slots, hostValues, count: 0, prepared: false };
  }

  /** The optimizer's own options as numbers, for this step. */
  #numbers(): Record<string, number> {
    const { hyperparameters, numbers } = this.#definition;
    const own = Object.entries(hyperparameters).flatMap(([name, { scheduled }]) => {
      const value = this.options[name];
      if (value === undefined || typeof value === 'string' || typeof value === 'object' || (typeof value === 'function' && !scheduled)) return [];
      return [[name, scheduled ? rateAt(this.#owner, name, value as LearningRate, this.iterations) : Number(value)] as const];
    });
    return { ...Object.fromEntries(own), ...numbers?.(this.iterations) };
  }

  #job(variable: Variable, gradient: Tensor, rate: number, numbers: Readonly<Record<string, number>>): Job {
    const { settings, rule, layout, count, hostValues, ...entry } = this.#entries.get(variable.name)!;
    const watched = this.#probe?.wants(this.iterations) && this.#probe.watches(variable.name);
    const plan = (watched && this.#plans.get(rule)!.probed) || entry.plan;
    Object.assign(hostValues, numbers);
    hostValues.learningRate = rate * settings.learningRateScale;
    hostValues.count = count;
    hostValues.step = this.iterations;
    return { variable, gradient, plan, layout, values: hostScalars(rule, hostValues) };
  }

  /** The executor of the current backend; slots move along when the backend has changed. */
  #currentExecutor(): Executor {
    const current = backend();
    if (this.#executor && this.#backend === current) return this.#executor;
    const epsilon = this.options.epsilon as number | undefined;
    if (epsilon !== undefined && current.floatPrecision() === 16) {
      check(epsilon >= smallestHalfEpsilon, this.#owner, 'epsilon', `be at least ${smallestHalfEpsilon} on a backend of half precision, where it would be 0`, epsilon);
    }
    const next = chooseExecutor(this.options.executor as ExecutorChoice);
    const previous = this.#executor;
    try {
      for (const [name, { slots }] of previous ? this.#entries : []) {
        next.create(name, slots);
        for (const slot of Object.keys(slots)) tidy(() => next.write(name, slot, previous!.read(name, slot)));
      }
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

function variableNamed(owner: string, name: string): Variable {
  const variable = engine().registeredVariables[name];
  if (!variable) throw new Error(`${owner}: there is no variable named ${show(name)}; it may have been disposed`);
  return variable;
}
