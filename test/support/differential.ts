/**
 * Runs one rule through its definition, the wasm printer and the ops printer, and compares all that
 * comes out.
 */
import * as tf from '@tensorflow/tfjs-core';
import { constant, input, mul } from '../../src/compiler/expression.js';
import { layoutOf, type Layout } from '../../src/compiler/layout.js';
import type { Buffer, Plan } from '../../src/compiler/plan.js';
import { runOps } from '../../src/compiler/print-ops.js';
import { planUpdate, slotShape } from '../../src/compiler/program.js';
import { hostScalars, inputsOf, updateOf, type Rule } from '../../src/compiler/rule.js';
import { runKernel, type Inputs } from './kernel.js';
import { expectSameBits } from './numbers.js';
import {
  Ambiguous,
  evaluateOutputs,
  exactSums,
  interpret,
  lookUp,
  type Shape,
  type Sum,
} from './oracle.js';

export type Case = {
  readonly rule: Rule;
  readonly shape: Shape;
  readonly inputs: Inputs;
  readonly hyperparameters: Readonly<Record<string, number>>;
  readonly count: number;
  readonly scaled: boolean;
};

export type Outcome = {
  readonly plan: Plan;
  readonly outputs: ReadonlyMap<string, Float32Array>;
  readonly sums: number;
  /** The largest error of a sum, as a part of the sum of magnitudes; only finite sums count. */
  readonly sumError: number;
  /** False where equal terms had unequal sums, so that the definition could not be compared. */
  readonly defined: boolean;
};

/** Values by the plan's buffers. */
type Values = ReadonlyMap<Buffer, Float32Array>;

const written = ({ role }: Buffer): boolean => role === 'variable' || role === 'slot';

/** Shapes of a plan's inputs as tensors. */
function tensorShape(buffer: Buffer, shape: Shape, layout: Layout): number[] {
  return buffer.role === 'variable' || buffer.role === 'gradient'
    ? [...shape.shape]
    : slotShape(buffer.domain, shape.shape, layout);
}

/** The ops printer's results by buffer; `sums` may give the sums in place of its own. */
export function runOpsOn(
  plan: Plan,
  shape: Shape,
  inputs: Inputs,
  scalars: Float32Array,
  sums?: ReadonlyMap<Buffer, Float32Array>,
): Map<Buffer, Float32Array> {
  const layout = layoutOf('test', shape.shape, shape.axes);
  const outputs = new Map<Buffer, Float32Array>();
  tf.tidy(() => {
    const tensors = new Map<Buffer, tf.Tensor>();
    const tensorOf = (buffer: Buffer): tf.Tensor => {
      const made =
        tensors.get(buffer) ??
        tf.tensor(inputs[buffer.name].slice(), tensorShape(buffer, shape, layout), 'float32');
      tensors.set(buffer, made);
      return made;
    };
    const given = sums && ((buffer: Buffer): tf.Tensor => tf.tensor(sums.get(buffer)!.slice()));
    for (const [buffer, tensor] of runOps(plan, layout, tensorOf, scalars, given)) {
      const expected = tensorShape(buffer, shape, layout);
      if (tensor.shape.join() !== expected.join())
        throw new Error(
          `ops: ${buffer.name} has the shape [${tensor.shape}] instead of [${expected}]`,
        );
      outputs.set(buffer, tensor.dataSync<'float32'>().slice());
    }
  });
  return outputs;
}

/** What the host gives a rule that is run alone. */
function hostValuesOf({ rule, shape, hyperparameters, count }: Case): Record<string, number> {
  const { size, neurons, fanIn } = layoutOf('test', shape.shape, shape.axes);
  const rates = { learningRate: 0, weightDecay: 0 };
  const sizes = { size, neurons, fanIn };
  return { ...hostScalars(rule, { ...rates, ...sizes, step: count, ...hyperparameters, count }) };
}

/** Throws where a kernel has changed a buffer that its plan does not write. */
function expectUnchanged(plan: Plan, kernel: Values, inputs: Inputs, results: Values): void {
  for (const buffer of plan.buffers) {
    const { name, role } = buffer;
    if (role === 'gradient' || role === 'stepWide')
      expectSameBits(kernel.get(buffer)!, inputs[name], `kernel: ${name}, which is only read,`);
    if (written(buffer) && !results.has(buffer))
      expectSameBits(kernel.get(buffer)!, inputs[name], `kernel: ${name}, which keeps its value,`);
  }
}

/** The largest error of the sums, as a part of their sums of magnitudes. */
function largestError(sums: readonly Sum[], shape: Shape): number {
  let most = 0;
  for (const sum of sums) {
    const { sums: exact, magnitudes } = exactSums(sum, shape);
    exact.forEach((value, i) => {
      // Beyond this the float32 parts of a sum may overflow where the whole does not.
      if (!(magnitudes[i] < 1e38)) return;
      most = Math.max(most, (Math.abs(sum.value[i] - value) - 1e-45) / (magnitudes[i] || 1));
      if (Number.isNaN(sum.value[i])) most = Infinity;
    });
  }
  return most;
}

/** What the rule's definition makes of the inputs; reductions are those of `sums`. */
function definedValues(
  { rule, shape, inputs, scaled }: Case,
  values: Readonly<Record<string, number>>,
  sums: readonly Sum[],
): Map<string, Float32Array> {
  const g = inputsOf(rule).g;
  const { after } = updateOf(rule, scaled ? mul(g, input('gradientScale', 'tensor')) : g);
  const names = Object.keys(after);
  const outputs = names.map((name) => ({
    value: typeof after[name] === 'number' ? constant(after[name]) : after[name],
    domain: name === 'w' ? 'element' : rule.slots[name],
  }));
  const results = evaluateOutputs(outputs, shape, inputs, values, lookUp(sums));
  return new Map(names.map((name, i) => [name, results[i]]));
}

/** Throws where the kernel differs from the definition; false where no definition can be told. */
function expectDefinition(plan: Plan, kernel: Values, define: () => Map<string, Float32Array>) {
  try {
    for (const [name, expected] of define()) {
      const buffer = plan.buffers.find((found) => found.name === name && written(found))!;
      expectSameBits(kernel.get(buffer)!, expected, `kernel against the definition: ${name}`);
    }
    return true;
  } catch (error) {
    if (error instanceof Ambiguous) return false;
    throw error;
  }
}

/**
 * Throws where the printers differ in a bit, or from the definition. Ops run on the current
 * backend.
 */
export function compare(example: Case): Outcome {
  const { rule, shape, inputs, scaled } = example;
  const layout = layoutOf('test', shape.shape, shape.axes);
  const plan = planUpdate(rule, scaled);
  const values = hostValuesOf(example);
  const scalars = plan.writeScalars(values, new Float32Array(plan.scalars.length));

  const kernel = runKernel(plan, layout, inputs, values);
  const sums = new Map([...kernel].filter(([{ role }]) => role === 'sum'));
  const ops = runOpsOn(plan, shape, inputs, scalars, sums);
  for (const [buffer, value] of ops)
    expectSameBits(kernel.get(buffer)!, value, `kernel against ops: ${buffer.name}`);
  expectUnchanged(plan, kernel, inputs, ops);
  const own = runOpsOn(plan, shape, inputs, scalars);
  if (own.size !== ops.size) throw new Error('ops gives other results without given sums');

  const found = interpret(plan, shape, inputs, scalars, sums);
  const defined = expectDefinition(plan, kernel, () => definedValues(example, values, found));
  const outputs = new Map(
    [...kernel].filter(([buffer]) => written(buffer)).map(([{ name }, value]) => [name, value]),
  );
  return { plan, outputs, sums: sums.size, sumError: largestError(found, shape), defined };
}
