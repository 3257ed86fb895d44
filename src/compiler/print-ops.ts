/**
 * The ops printer: a plan as tfjs operations. It runs on every backend and is the reference for the
 * other printers.
 *
 * Sums are blocked: a plain float32 sum of a million squares is 4e-4 off on some backends.
 */
import {
  abs,
  add,
  broadcastTo,
  div,
  equal,
  less,
  lessEqual,
  mul,
  neg,
  pad,
  reshape,
  scalar,
  sqrt,
  sub,
  sum,
  tidy,
  transpose,
  util,
  where,
  zeros,
  type Tensor,
} from '@tensorflow/tfjs-core';
import type { DeviceDomain } from './expression.js';
import type { Layout } from './layout.js';
import type { Buffer, ComputingOperation, Instruction, Plan, Stage } from './plan.js';

const operations: Record<ComputingOperation, (...args: Tensor[]) => Tensor> = {
  add,
  sub,
  mul,
  div,
  sqrt,
  abs,
  neg,
  less,
  lessEqual,
  equal,
  select: where,
};

/** Values that one float32 sum may cover: 32 equal ones are at most 5e-7 off. */
const sumBlock = 32;

/** Shapes in which values of each domain broadcast against each other. */
type Views = Readonly<Record<DeviceDomain, number[]>> & {
  /** The axes of a neuron, in the order in which they are summed. */
  readonly fanIn: readonly number[];
};

/**
 * The views of a tensor: up to rank 2, where its axes are those of the layout, of its own shape, so
 * that new values are made in it. Else of three axes: on webgpu some operations know no tensor of
 * more than four, and a blocked sum adds one.
 */
function viewsOf({ before, between, neurons, after }: Layout, rank: number): Views {
  const first = rank < 2 || (rank === 2 && after !== 1) ? 1 : 0;
  const own = (...view: number[]): number[] => view.slice(first, first + rank);
  const element = own(before * between, neurons, after);
  return {
    element,
    neuron: own(1, neurons, 1),
    tensor: own(1, 1, 1),
    fanIn: [2 - first, -first].filter((axis) => axis in element),
  };
}

/**
 * Exchanges the two axes behind `before`: this brings two axes that number the neurons together,
 * and takes them apart again.
 */
const exchange = (
  x: Tensor,
  { before, neuronsInner, after }: Layout,
  first: number,
  second: number,
): Tensor =>
  x.size > 0 && first > 1 && second > 1
    ? transpose(reshape(x, [before, first, second, neuronsInner * after]), [0, 2, 1, 3])
    : x;

/** The sum over one axis, block by block; keeps the axis. */
function blockedSum(x: Tensor, axis: number): Tensor {
  const length = x.shape[axis];
  if (length <= sumBlock) return sum(x, axis, true);
  const blocks = Math.ceil(length / sumBlock);
  const padded = pad(
    x,
    x.shape.map((_, i) => [0, i === axis ? blocks * sumBlock - length : 0] as [number, number]),
  );
  const split = reshape(padded, [
    ...x.shape.slice(0, axis),
    blocks,
    sumBlock,
    ...x.shape.slice(axis + 1),
  ]);
  return blockedSum(sum(split, axis + 1), axis);
}

/** The sum over the elements of each neuron, or over everything. */
function reduce(x: Tensor, domain: DeviceDomain, views: Views): Tensor {
  // The wasm backend leaves the sum of nothing uninitialized.
  if (x.size === 0) return zeros(views[domain]);
  if (domain === 'neuron') return views.fanIn.reduce(blockedSum, x);
  return reshape(blockedSum(reshape(x, [x.size]), 0), views[domain]);
}

/**
 * A tensor in another shape. Backends keep the shape in which data were made, and some go by it: the
 * new weights of a variable are copied, so that their data have its shape.
 */
function inShape(x: Tensor, shape: number[], { role }: Buffer): Tensor {
  const isCopied = role === 'variable' && !util.arraysEqual(x.shape, shape);
  return isCopied ? mul(reshape(x, shape), 1) : reshape(x, shape);
}

/**
 * Runs a plan. `inputs` gives the tensors of variable, gradient, slots and step-wide values; the
 * result has a tensor for each variable, slot and reading that the plan writes, in the input's
 * shape (of slots: in the shape that `inputs` has). `sumOf` may give another sum in place of the
 * tensor's own: one that goes on over several tensors.
 */
export function runOps(
  plan: Plan,
  layout: Layout,
  inputs: (buffer: Buffer) => Tensor,
  scalars: ArrayLike<number>,
  sumOf: (buffer: Buffer, own: () => Tensor) => Tensor = (_, own) => own(),
): Map<Buffer, Tensor> {
  const isWhole = ({ role }: Buffer) => role === 'variable' || role === 'gradient';
  const whole = plan.buffers.find(isWhole);
  const views = viewsOf(layout, whole ? inputs(whole).rank : 3);
  const { neuronsOuter, between } = layout;
  const memory = new Map<Buffer, Tensor>();
  const results = new Map<Buffer, Tensor>();

  const load = (buffer: Buffer): Tensor => {
    const given = inputs(buffer);
    return reshape(
      buffer.domain === 'element' ? exchange(given, layout, neuronsOuter, between) : given,
      views[buffer.domain],
    );
  };
  const valueOf = (instruction: Instruction, values: readonly Tensor[]): Tensor => {
    if (instruction.op === 'load')
      return memory.get(instruction.buffer) ?? load(instruction.buffer);
    if (instruction.op === 'constant') return scalar(instruction.value, 'float32');
    if (instruction.op === 'scalar') return scalar(scalars[instruction.index], 'float32');
    return operations[instruction.op](...instruction.args.map((arg) => values[arg]));
  };
  const runStage = ({ domain, instructions, stores, sums }: Stage): void => {
    const view = views[domain];
    // No tfjs operation sees a tensor of size 0: broadcasts of one fail, and on the wasm backend
    // they spoil the heap.
    const empty = view.includes(0) ? zeros(view) : undefined;
    const values: Tensor[] = [];
    for (const instruction of instructions) values.push(empty ?? valueOf(instruction, values));
    const stored = stores.map(({ buffer, value }) =>
      broadcastTo(values[value], views[buffer.domain]),
    );
    for (const { buffer, value } of sums) {
      const sumView = views[buffer.domain];
      const own = () => reduce(broadcastTo(values[value], view), buffer.domain, views);
      memory.set(buffer, reshape(sumOf(buffer, own), sumView));
    }
    stores.forEach(({ buffer }, i) => {
      memory.set(buffer, stored[i]);
      if (buffer.role !== 'scratch') results.set(buffer, stored[i]);
    });
  };
  const finish = (buffer: Buffer, value: Tensor): Tensor => {
    const result =
      buffer.domain === 'element' ? exchange(value, layout, between, neuronsOuter) : value;
    return buffer.role === 'reading'
      ? result.clone()
      : inShape(result, inputs(buffer).shape, buffer);
  };

  tidy(() => {
    plan.stages.forEach(runStage);
    for (const [buffer, value] of results) results.set(buffer, finish(buffer, value));
    return [...results.values()];
  });
  return results;
}
