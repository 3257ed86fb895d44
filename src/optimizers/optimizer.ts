/** The base class of all optimizers: what tfjs asks of one. */
import {
  dispose,
  Optimizer,
  type NamedTensorMap,
  type Scalar,
  type serialization,
  type Variable,
} from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import type { ExecutorName } from '../executors/executor.js';
import { checkedLoss, checkVariables } from './arguments.js';
import { optionsFromConfig, optionsToConfig } from './config.js';
import { variableNamed, type Gradients } from './gradient-updates.js';
import { rate, rateAt, type LearningRate } from './learning-rate.js';
import {
  commonSchema,
  completeOptions,
  type CommonOptions,
  type Definition,
  type Options,
} from './options.js';
import { namedTensors, statesIn, type NamedTensor, type StateSnapshot } from './saved-state.js';
import { Training } from './training.js';
import { describeVariable, type Description } from './variable-state.js';

/**
 * The base class of this library's optimizers. What an update is, its rule says; the order of a
 * step is the same for all.
 */
export abstract class FusedOptimizer extends Optimizer {
  readonly #label: string;
  /** Frozen; a new learning rate comes in new ones. */
  #options: Options;
  /** Undefined once the optimizer is disposed. */
  #training: Training | undefined;

  /** @internal */
  protected constructor(definition: Definition, options: CommonOptions) {
    super();
    this.#label = definition.label ?? this.getClassName();
    this.#options = completeOptions(this.#label, definition, options);
    const { epsilon } = options as { readonly epsilon?: number };
    this.#training = new Training(this.#label, definition, this.#options, epsilon);
    for (const name of Object.keys({ ...commonSchema, ...definition.hyperparameters })) {
      // An assignment to an option would do nothing.
      const set = (): never => this.#refuseAssignment(name);
      const get = (): unknown => this.hyperparameters[name];
      if (!(name in this)) Object.defineProperty(this, name, { configurable: true, get, set });
    }
    this.#options.probe?.attach(this.#label);
  }

  /**
   * The learning rate as it was given: a number, a schedule, or a function of the step. What is
   * assigned holds from the next step on, as by `setLearningRate`.
   */
  get learningRate(): LearningRate {
    return this.#options.learningRate;
  }

  set learningRate(learningRate: LearningRate) {
    check(rate.accepts(learningRate), this.#label, 'learningRate', rate.allowed, learningRate);
    this.#options = Object.freeze({ ...this.#options, learningRate });
  }

  /**
   * Sets the learning rate from the next step on; all state stays. It is saved like one that the
   * optimizer was made with.
   *
   * @param learningRate - A number in [0, Infinity), a schedule, or a function of the step. Steps go
   * on: a schedule is asked for the step that the optimizer has come to.
   * @throws {Error} if it is anything else; the old one stays then.
   * @example
   * const optimizer = new AdamW({ learningRate: 0.1 });
   * // The same as optimizer.learningRate = 0.01.
   * optimizer.setLearningRate(0.01);
   * optimizer.currentLearningRate; // 0.01
   * optimizer.setLearningRate(linearWarmup({ peak: 1, warmupSteps: 4 }));
   * optimizer.currentLearningRate; // 0.25
   */
  setLearningRate(learningRate: LearningRate): void {
    this.learningRate = learningRate;
  }

  /**
   * Every option that is given or has a default, by name; frozen. Each is also a property of the
   * optimizer. An `epsilon` that was not given is the one that the current backend can hold.
   */
  get hyperparameters(): Readonly<Record<string, unknown>> {
    const { epsilon } = this.#training ?? this.#options;
    return epsilon === this.#options.epsilon
      ? this.#options
      : Object.freeze({ ...this.#options, epsilon });
  }

  /** The learning rate of the next step. */
  get currentLearningRate(): number {
    return rateAt(this.#label, 'learningRate', this.learningRate, this.iterations);
  }

  set currentLearningRate(_: never) {
    this.#refuseAssignment('currentLearningRate');
  }

  /** What runs the updates on the current backend: 'wasm', 'webgpu' or 'ops'. */
  get executorName(): ExecutorName {
    return this.#requireTraining().executor().name;
  }

  /**
   * What each variable got: its group, weight decay, neuron axis and rule.
   *
   * @returns one description a variable, in the order of their first appearance.
   * @throws {Error} if the optimizer was disposed.
   */
  describe(): Description[] {
    return this.#requireTraining().states().map(describeVariable);
  }

  /**
   * Readies variables for their first forward pass. `minimize` and `model.fit` do this by
   * themselves; a hand-made loop calls it once before its first gradient.
   *
   * @param variables - all that will be trained, float32. Frozen ones (`trainable` false) are left as
   * they are. Those of a model are `model.trainableWeights.map((weight) => weight.read())`.
   * @throws {Error} if something is no variable, or a variable or a group does not fit, before
   * anything changes.
   */
  prepare(variables: readonly Variable[]): void {
    checkVariables(this.#label, 'variables', variables);
    this.#requireTraining().prepare(variables);
  }

  /**
   * What is kept for a variable between steps: the number of its updates, and the values of the
   * rule's slots, such as `m` and `v`.
   *
   * @param variable - one that the optimizer has trained, or of whose name state was loaded.
   * @returns copies that the caller disposes; undefined if there is no state of the variable's
   * name.
   * @throws {Error} if the optimizer was disposed.
   */
  readState(variable: Variable): StateSnapshot | undefined {
    checkVariables(this.#label, 'variables', [variable]);
    return this.#requireTraining().snapshots(variable.name)[0];
  }

  override computeGradients(
    f: () => Scalar,
    varList?: Variable[],
  ): { value: Scalar; grads: NamedTensorMap } {
    const training = this.#requireTraining();
    const loss = checkedLoss(this.#label, f);
    // tfjs takes null for no list.
    if (varList !== undefined && varList !== null) {
      checkVariables(this.#label, 'varList', varList);
      // tfjs computes no gradients for whole numbers and booleans: they are passed over.
      training.prepare(varList.filter(({ dtype }) => dtype === 'float32'));
      return super.computeGradients(loss, varList);
    }
    const result = super.computeGradients(loss);
    // Without a list, only running the loss shows which variables it reads.
    const variables = Object.keys(result.grads).map((name) => variableNamed(this.#label, name));
    if (!training.prepare(variables)) return result;
    // Their preparation has changed the weights, and with them the loss.
    dispose(result);
    return super.computeGradients(loss);
  }

  override applyGradients(gradients: Gradients): void {
    this.#requireTraining().update(gradients, this.iterations, this.currentLearningRate);
    this.incrementIterations();
  }

  override async getWeights(): Promise<NamedTensor[]> {
    const weights = this.#requireTraining().snapshots().flatMap(namedTensors);
    return [await this.saveIterations(), ...weights];
  }

  override async setWeights(weights: NamedTensor[]): Promise<void> {
    const training = this.#requireTraining();
    training.load(await statesIn(this.#label, weights));
    await this.extractIterations(weights);
  }

  getConfig(): serialization.ConfigDict {
    return optionsToConfig(this.#label, this.#options);
  }

  static override fromConfig<T extends serialization.Serializable>(
    cls: serialization.SerializableConstructor<T>,
    config: serialization.ConfigDict,
  ): T {
    return new cls(optionsFromConfig(cls.className, config));
  }

  /** Frees all state; the optimizer cannot be used after. */
  override dispose(): void {
    this.#options.probe?.dispose();
    this.#training?.clear();
    this.#training = undefined;
  }

  #refuseAssignment(name: string): never {
    throw new Error(
      `${this.#label}: ${name} cannot be set, only learningRate can; make a new optimizer`,
    );
  }

  #requireTraining(): Training {
    if (!this.#training)
      throw new Error(`${this.#label}: this optimizer was disposed; make a new one`);
    return this.#training;
  }
}
