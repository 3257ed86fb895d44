/** The base class of all optimizers: what tfjs asks of one. */
import {
  dispose,
  Optimizer,
  type DataType,
  type NamedTensorMap,
  type Scalar,
  type serialization,
  type Tensor,
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
import { parseReset, type ResetOptions } from './reset.js';
import { readWeights, toWeights, type NamedTensor, type StateSnapshot } from './saved-state.js';
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
  /** True until `setWeights` is done. */
  #isLoading = false;
  /** The last that was asked for of what `model.save` asks for. */
  #asked: 'className' | 'config' | undefined;

  /** @internal */
  protected constructor(definition: Definition, options: CommonOptions) {
    super();
    this.#label = definition.label ?? super.getClassName();
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
    this.#readyTraining().prepare(variables);
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

  /**
   * Starts the state anew, in place: as if the variables came to the optimizer for the first time.
   *
   * A rotational optimizer keeps the norms that weights had before their first step. Where weights
   * are put in later, `reset(variables, { norms: true })` measures theirs; with `zeroMean` this
   * centers them too.
   *
   * @param variables - whose state it is; without them that of all, and with the counts
   * `iterations`, by which schedules go.
   * @param options - See {@link ResetOptions}. By default all starts anew.
   * @throws {Error} if an option is unknown or a variable does not fit, before anything changes.
   * @example
   * import * as tf from '@tensorflow/tfjs';
   * import { RotationalAdamW } from 'tfjs-warmup/optimizers';
   *
   * const w = tf.variable(tf.ones([2, 3]), true, 'w');
   * const optimizer = new RotationalAdamW({ learningRate: 0.01, zeroMean: false });
   * optimizer.prepare([w]);
   * w.assign(tf.fill([2, 3], 5));
   * optimizer.reset([w], { norms: true });
   * optimizer.minimize(() => tf.sum(tf.mul(w, [[1], [-1]])), false, [w]);
   * tf.norm(w).dataSync()[0].toFixed(3); // '12.247'
   */
  reset(variables?: readonly Variable[], options: ResetOptions = {}): void {
    const parts = parseReset(this.#label, options);
    this.#readyTraining().reset(parts, variables);
    if (!variables && parts.counts) this.iterations_ = 0;
  }

  override computeGradients(
    f: () => Scalar,
    varList?: Variable[],
  ): { value: Scalar; grads: NamedTensorMap } {
    const training = this.#readyTraining();
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
    this.#readyTraining().update(gradients, this.iterations, this.currentLearningRate);
    this.incrementIterations();
  }

  /**
   * All state as it is when this is called. The tensors are the caller's; those that `model.save`
   * asks for free themselves once they have been read.
   *
   * @returns the step as `iter`; what tells whether the list is whole as `manifest`; then
   * `<variable>/count` and `<variable>/<slot>`.
   * @throws {Error} if the optimizer was disposed.
   */
  override async getWeights(): Promise<NamedTensor[]> {
    const weights = toWeights(this.iterations, this.#requireTraining().snapshots());
    if (this.#asked === 'config') for (const { tensor } of weights) freeOnceRead(tensor);
    return weights;
  }

  /**
   * Replaces all state, the step included. Until the promise resolves, steps are refused.
   *
   * @param weights - What `getWeights` gave, of this optimizer or of one that keeps the same; of
   * tfjs's own Adam for optimizers that keep m and v. They can be disposed at once.
   * @throws {Error} if the weights are not whole, or do not fit; then nothing has changed.
   */
  override async setWeights(weights: NamedTensor[]): Promise<void> {
    const training = this.#readyTraining();
    this.#isLoading = true;
    try {
      const { step, states } = await readWeights(this.#label, weights, (saved) =>
        training.checkSaved(saved),
      );
      // Disposed in the meantime.
      if (!this.#training) return dispose(states.map(({ slots }) => slots));
      training.load(states);
      this.iterations_ = step;
    } finally {
      this.#isLoading = false;
    }
  }

  override getClassName(): string {
    // To save a model, tfjs asks for class name, config and weights in one go.
    this.#asked = 'className';
    queueMicrotask(() => {
      this.#asked = undefined;
    });
    return super.getClassName();
  }

  getConfig(): serialization.ConfigDict {
    if (this.#asked) this.#asked = 'config';
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

  #readyTraining(): Training {
    if (this.#isLoading)
      throw new Error(`${this.#label}: setWeights is still loading state; await it first`);
    return this.#requireTraining();
  }
}

/** Lets a tensor free itself once its data have been read. */
function freeOnceRead(tensor: Tensor): void {
  const read = tensor.data.bind(tensor);
  tensor.data = async <D extends DataType>() => {
    const values = await read<D>();
    tensor.dispose();
    return values;
  };
}
