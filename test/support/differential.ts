/**
 * Runs one rule through its definition, the wasm printer and the ops printer, and compares all that
 * comes out.
 */
import * as tf from '@tensorflow/tfjs-core';
import { mul, input } from '../../src/compiler/expression.js';
import { layoutOf, type Layout } from '../../src/compiler/layout.js';
import type { Buffer, Plan } from '../../src/compiler/plan.js';
import { runOps } from '../../src/compiler/print-ops.js';
import { planUpdate, slotShape } from '../../src/compiler/program.js';
import { hostScalars, inputsOf, updateOf, type Rule } from '../../src/compiler/rule.js';
import { runKernel, type Inputs } from './kernel.js';
import { expectSameBits } from './numbers.js';
import { Ambiguous, evaluateOutputs, exactSums, interpret, lookUp, type Shape } from './oracle.js';

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

const written = ({ role }: Buffer): boolean => role === 'variable' || role === 'slot';

/** Shapes of a plan's inputs as tensors. */
function tensorShape(buffer: Buffer, shape: Shape, layout: Layout): number[] {
  return buffer.role === 'variable' || buffer.role === 'gradient'
    ? [...shape.shape]
    : slotShape(buffer.domain, shape.shape, layout);
}

/** The ops printer's results by buffer. */
export function runOpsOn(
  plan: Plan,
  shape: Shape,
  layout: Layout,
  inputs: Inputs,
  scalars: Float32Array,
  sums?: ReadonlyMap<Buffer, Float32Array>,
): Map<Buffer, Float32Array> {
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

/**
 * Throws where the printers differ in a bit, or from the definition. Ops run on the current
 * backend.
 */
export function compare({ rule, shape, inputs, hyperparameters, count, scaled }: Case): Outcome {
  const layout = layoutOf('test', shape.shape, shape.axes);
  const plan = planUpdate(rule, scaled);
  const values = hostScalars(rule, {
    learningRate: 0,
    weightDecay: 0,
    step: count,
    size: layout.size,
    neurons: layout.neurons,
    fanIn: layout.fanIn,
    ...hyperparameters,
    count,
  });
  const scalars = new Float32Array(plan.scalars.length);
  plan.writeScalars(values, scalars, 0);

  const kernel = runKernel(plan, layout, inputs, values);
  for (const [buffer, after] of kernel)
    if (buffer.role === 'gradient' || buffer.role === 'stepWide')
      expectSameBits(after, inputs[buffer.name], `kernel: ${buffer.name}, which is only read,`);

  const sums = new Map([...kernel].filter(([{ role }]) => role === 'sum'));
  const ops = runOpsOn(plan, shape, layout, inputs, scalars, sums);
  for (const [buffer, value] of ops)
    expectSameBits(kernel.get(buffer)!, value, `kernel against ops: ${buffer.name}`);
  for (const buffer of plan.buffers)
    if (written(buffer) && !ops.has(buffer))
      expectSameBits(
        kernel.get(buffer)!,
        inputs[buffer.name],
        `kernel: ${buffer.name}, which keeps its value,`,
      );

  const found = interpret(plan, shape, inputs, scalars, sums);
  const own = runOpsOn(plan, shape, layout, inputs, scalars);
  if (own.size !== ops.size) throw new Error('ops gives other results without given sums');
  const sumError = Math.max(
    0,
    ...found.map((sum) => {
      const { sums: exact, magnitudes } = exactSums(sum, shape);
      let most = 0;
      exact.forEach((value, i) => {
        // Beyond this the float32 parts of a sum may overflow where the whole does not.
        if (!(magnitudes[i] < 1e38)) return;
        most = Math.max(most, (Math.abs(sum.value[i] - value) - 1e-45) / (magnitudes[i] || 1));
        if (Number.isNaN(sum.value[i])) most = Infinity;
      });
      return most;
    }),
  );

  const g = inputsOf(rule).g;
  const { after } = updateOf(rule, scaled ? mul(g, input('gradientScale', 'tensor')) : g);
  const domainOf = (name: string) => (name === 'w' ? 'element' : rule.slots[name]);
  const wanted = Object.entries(after).map(([name, value]) => ({
    name,
    value:
      typeof value === 'number'
        ? ({ op: 'constant', domain: 'host', type: 'number', args: [], value } as const)
        : value,
    domain: domainOf(name),
  }));
  let defined = true;
  try {
    const expected = evaluateOutputs(wanted, shape, inputs, values, lookUp(found));
    wanted.forEach(({ name }, i) => {
      const buffer = plan.buffers.find(
        (candidate) => candidate.name === name && written(candidate),
      )!;
      expectSameBits(kernel.get(buffer)!, expected[i], `kernel against the definition: ${name}`);
    });
  } catch (error) {
    if (!(error instanceof Ambiguous)) throw error;
    defined = false;
  }
  const outputs = new Map(
    [...kernel].filter(([buffer]) => written(buffer)).map(([{ name }, value]) => [name, value]),
  );
  return { plan, outputs, sums: sums.size, sumError, defined };
}
