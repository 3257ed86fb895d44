/** What a step of an optimizer costs: for users, and the core of the library's own bench. */
import {
  getBackend,
  keep,
  reshape,
  slice,
  tensor,
  tidy,
  util,
  Variable,
  type Optimizer,
  type Tensor,
} from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import { layoutOf } from '../compiler/layout.js';
import { slotShape } from '../compiler/program.js';
import { median } from '../median.js';
import { randomNumbers } from '../random.js';
import { count, parseOptions } from '../schema.js';
import type { FusedOptimizer } from './optimizer.js';

/** Options of {@link measureStep}. */
export type MeasureStepOptions = {
  /**
   * Timed steps, at least 1.
   * @defaultValue 20
   */
  readonly steps?: number;
  /**
   * Steps before the clock starts: they create the state and warm caches and compilers.
   * @defaultValue 5
   */
  readonly warmupSteps?: number;
};

/** What {@link measureStep} measured. */
export type StepCost = {
  /** Elements of all variables. */
  readonly parameters: number;
  /** Timed steps. */
  readonly steps: number;
  /** The median step. */
  readonly milliseconds: number;
  /** The median step, by parameter. */
  readonly nanosecondsPerParameter: number;
  /**
   * The bytes that an update in place must move (it reads weights, gradients and slots, and writes
   * weights and slots) by the median step. Undefined for optimizers that are not from this library:
   * their slots are not known.
   */
  readonly gigabytesPerSecond?: number;
  /** Milliseconds of each step, in order. */
  readonly all: readonly number[];
  /** What ran the updates; undefined for optimizers that are not from this library. */
  readonly executorName?: FusedOptimizer['executorName'];
};

const label = 'measureStep';

const schema = { steps: count(1, 20), warmupSteps: count(0, 5) };

/** On these backends an operation is done when its call returns, on all others some time later. */
const synchronous: ReadonlySet<string> = new Set(['cpu', 'wasm', 'tensorflow']);

/**
 * Measures what one step of an optimizer costs, without the forward and the backward pass.
 *
 * Works with any tfjs optimizer on any backend: random gradients are made once, then steps are
 * timed one by one. On backends that work behind the script, as webgpu does, each step counts until
 * the device has done it, the wait for its answer included.
 *
 * The variables get their values back. The optimizer does not: its state and its step count are
 * spent, so hand over a fresh one and dispose it after.
 *
 * @param optimizer - Of this library, or another such as `tf.train.adam(1e-3)`.
 * @param variables - What it is to update: all trainable variables of a model, for a figure that
 * counts in training.
 * @param options - See {@link MeasureStepOptions}.
 * @returns The cost of a step: the median over all timed steps, and each of them.
 * @throws {Error} if an option is unknown or out of range, or a variable is one that an optimizer
 * cannot update.
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { AdamW, measureStep } from 'tfjs-warmup/optimizers';
 *
 * const optimizer = new AdamW({ learningRate: 1e-3 });
 * const variables = [tf.variable(tf.ones([64, 32])), tf.variable(tf.zeros([32]))];
 * const cost = await measureStep(optimizer, variables, { steps: 10 });
 * cost.parameters; // 2080
 * cost.all.length; // 10
 * console.log(`${cost.nanosecondsPerParameter} ns a parameter, by ${cost.executorName}`);
 * optimizer.dispose();
 */
export async function measureStep(
  optimizer: Optimizer,
  variables: readonly Variable[],
  options: MeasureStepOptions = {},
): Promise<StepCost> {
  const { steps, warmupSteps } = parseOptions(label, schema, options) as Required<typeof options>;
  checkArguments(optimizer, variables);

  const values = variables.map((variable) => keep(variable.clone()));
  let timer: StepTimer | undefined;
  try {
    timer = timeSteps(optimizer, variables);
    for (let i = 0; i < warmupSteps; i++) await timer.step();
    const all: number[] = [];
    for (let i = 0; i < steps; i++) {
      const time = timer.step();
      // Where nothing is waited for, nothing may come between two steps.
      all.push(typeof time === 'number' ? time : await time);
    }
    const milliseconds = median(all);
    const bytes = bytesOfStep(optimizer, variables);
    const { parameters } = timer;
    return {
      parameters,
      steps,
      milliseconds,
      nanosecondsPerParameter: (milliseconds * 1e6) / parameters,
      gigabytesPerSecond: bytes === undefined ? undefined : bytes / (milliseconds * 1e6),
      all,
      executorName: (optimizer as Partial<FusedOptimizer>).executorName,
    };
  } finally {
    timer?.dispose();
    variables.forEach((variable, i) => {
      variable.assign(values[i] as Variable);
      values[i].dispose();
    });
  }
}

/** Steps on random gradients, one at a time. */
export type StepTimer = {
  readonly parameters: number;
  /** Does one step and gives its milliseconds: a promise where the device has to be waited for. */
  step(): number | Promise<number>;
  /** Frees the gradients. */
  dispose(): void;
};

export function timeSteps(optimizer: Optimizer, variables: readonly Variable[]): StepTimer {
  const gradients: Record<string, Tensor> = {};
  const dispose = (): void => Object.values(gradients).forEach((gradient) => gradient.dispose());
  try {
    variables.forEach(
      ({ name, shape, size }, i) =>
        (gradients[name] = keep(tensor(randomValues(size, i), shape, 'float32'))),
    );
    (optimizer as Partial<FusedOptimizer>).prepare?.(variables);
  } catch (error) {
    dispose();
    throw error;
  }
  const apply = (): number => {
    const start = performance.now();
    optimizer.applyGradients(gradients);
    return start;
  };
  return {
    parameters: variables.reduce((sum, { size }) => sum + size, 0),
    step: synchronous.has(getBackend())
      ? () => {
          const start = apply();
          return performance.now() - start;
        }
      : async () => {
          const start = apply();
          await finished(variables);
          return performance.now() - start;
        },
    dispose,
  };
}

/** Waits for the device: it works in order, so the value of a weight comes after the update. */
async function finished(variables: readonly Variable[]): Promise<void> {
  const one = tidy(() =>
    slice(
      reshape(
        variables.find(({ size }) => size > 0)!,
        [-1],
      ),
      0,
      1,
    ),
  );
  await one.data();
  one.dispose();
}

/**
 * The bytes that an update in place must move, or undefined where the optimizer's slots are not
 * known.
 */
export function bytesOfStep(
  optimizer: Optimizer,
  variables: readonly Variable[],
): number | undefined {
  const described = (optimizer as Partial<FusedOptimizer>).describe?.();
  if (!described) return undefined;
  const names = new Set(variables.map(({ name }) => name));
  let values = 0;
  for (const { name, shape, neuronAxis, slots } of described) {
    if (!names.has(name)) continue;
    const layout = layoutOf(label, shape, neuronAxis);
    const slotValues = Object.values(slots).reduce(
      (sum, domain) => sum + util.sizeFromShape([...slotShape(domain, shape, layout)]),
      0,
    );
    values += 3 * layout.size + 2 * slotValues;
  }
  return 4 * values;
}

/** Uniform numbers in [-0.01, 0.01): tf.randomNormal would take longer than all that is measured. */
export function randomValues(size: number, seed: number): Float32Array {
  const next = randomNumbers(seed);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = (2 * next() - 1) * 0.01;
  return values;
}

function checkArguments(optimizer: Optimizer, variables: readonly Variable[]): void {
  check(
    typeof optimizer?.applyGradients === 'function',
    label,
    'optimizer',
    'be a tf.Optimizer',
    optimizer,
  );
  check(
    Array.isArray(variables) && variables.length > 0,
    label,
    'variables',
    'be an array of at least one tf.Variable',
    variables,
  );
  variables.forEach((variable, i) => {
    check(variable instanceof Variable, label, `variables[${i}]`, 'be a tf.Variable', variable);
    check(!variable.isDisposed, label, `variables[${i}]`, 'not be disposed', variable.name);
    check(
      variable.dtype === 'float32',
      `${label}: variable ${show(variable.name)}`,
      'dtype',
      "be 'float32'",
      variable.dtype,
    );
    check(
      variables.indexOf(variable) === i,
      label,
      `variables[${i}]`,
      'differ from those before it',
      variable.name,
    );
  });
  check(
    variables.some(({ size }) => size > 0),
    label,
    'variables',
    'hold at least one number',
    variables.map(({ shape }) => shape),
  );
}
