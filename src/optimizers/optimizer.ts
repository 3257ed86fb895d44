/** The base of all optimizers: what tfjs asks of one. What an update is, its rule says. */
import {
  dispose,
  Optimizer,
  type NamedTensorMap,
  type Scalar,
  type serialization,
  type Tensor,
  type Variable,
} from '@tensorflow/tfjs-core';
import type { Executor } from '../executors/executor.js';
import { describeVariable, type Description } from './variable-state.js';
import { rateAt } from './learning-rate.js';
import {
  completeOptions,
  configOf,
  optionsFrom,
  type CommonOptions,
  type Definition,
  type Options,
} from './options.js';
import { statesIn, type NamedTensor } from './state.js';
import { startTraining, type Training } from './training.js';
import { variableNamed, type Gradients } from './updates.js';

export abstract class FusedOptimizer extends Optimizer {
  /** Every option that is given or has a default. */
  protected readonly options: Options;
  readonly #label: string;
  /** Until the optimizer is disposed. */
  #training: Training | undefined;

  protected constructor(label: string, definition: Definition, options: CommonOptions) {
    super();
    this.#label = label;
    this.options = completeOptions(label, definition, options);
    this.#training = startTraining(label, definition, this.options);
    this.options.probe?.attach(label);
  }

  /** The rate of the next step. */
  get currentLearningRate(): number {
    return rateAt(this.#label, 'learningRate', this.options.learningRate, this.iterations);
  }

  /** What runs the updates on the current backend: 'wasm', 'webgpu' or 'ops'. */
  get executorName(): Executor['name'] {
    return this.#alive().executor().name;
  }

  /** Every option that is given or has a default. */
  get hyperparameters(): Readonly<Record<string, unknown>> {
    return this.options;
  }

  /** The count and the slots of a variable, in tensors that are the caller's. */
  readState({ name }: Variable): { count: number; slots: Record<string, Tensor> } | undefined {
    const tensors: Record<string, Tensor> = {};
    for (const weight of this.#alive().weights()) {
      const cut = weight.name.lastIndexOf('/');
      if (weight.name.slice(0, cut) === name) tensors[weight.name.slice(cut + 1)] = weight.tensor;
      else weight.tensor.dispose();
    }
    const { count, ...slots } = tensors;
    if (!count) return undefined;
    const [updates] = count.dataSync();
    count.dispose();
    return { count: updates, slots };
  }

  /** What each variable got, in the order of their first appearance. */
  describe(): Description[] {
    return this.#alive().entries().map(describeVariable);
  }

  /**
   * Readies variables for their first forward pass. `minimize` and `model.fit` do this by
   * themselves; a hand-made loop calls it once before its first gradient.
   */
  prepare(variables: readonly Variable[]): void {
    this.#alive().prepare(variables);
  }

  override computeGradients(
    f: () => Scalar,
    varList?: Variable[],
  ): { value: Scalar; grads: NamedTensorMap } {
    const training = this.#alive();
    if (varList) training.prepare(varList);
    const result = super.computeGradients(f, varList);
    if (varList) return result;
    const names = Object.keys(result.grads).filter((name) => result.grads[name]);
    if (!training.prepare(names.map((name) => variableNamed(this.#label, name)))) return result;
    // Without a list only the loss tells which variables it reads: their preparation has changed
    // it.
    dispose(result);
    return super.computeGradients(f);
  }

  override applyGradients(gradients: Gradients): void {
    this.#alive().update(gradients, this.iterations, this.currentLearningRate);
    this.incrementIterations();
  }

  override async getWeights(): Promise<NamedTensor[]> {
    const state = this.#alive().weights();
    return [await this.saveIterations(), ...state];
  }

  override async setWeights(weights: NamedTensor[]): Promise<void> {
    const training = this.#alive();
    training.load(await statesIn(this.#label, weights));
    await this.extractIterations(weights);
  }

  getConfig(): serialization.ConfigDict {
    return configOf(this.#label, this.options);
  }

  static override fromConfig<T extends serialization.Serializable>(
    cls: serialization.SerializableConstructor<T>,
    config: serialization.ConfigDict,
  ): T {
    return new cls(optionsFrom(cls.className ?? cls.name, config));
  }

  /** Frees all state; the optimizer cannot be used after. */
  override dispose(): void {
    this.options.probe?.dispose();
    this.#training?.clear();
    this.#training = undefined;
  }

  #alive(): Training {
    if (!this.#training)
      throw new Error(`${this.#label}: this optimizer was disposed; make a new one`);
    return this.#training;
  }
}
