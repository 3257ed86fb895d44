/**
 * Update rules in plain JavaScript, one float32 operation after the other. `evaluateOutputs` reads
 * the rule's expressions and knows nothing of plans; `interpret` follows a plan and shows what each
 * of its sums adds up.
 */
import type { Expression } from '../../src/compiler/expression.js';
import type { Buffer, Instruction, Plan } from '../../src/compiler/plan.js';
import { getOrMake } from '../../src/get-or-make.js';
import type { Inputs } from './kernel.js';

type Domain = Expression['domain'];

/** A tensor's shape with its neuron axes, counted from 0. */
export type Shape = { readonly shape: readonly number[]; readonly axes: readonly number[] };

/**
 * The number of the neuron that each element belongs to: its coordinates along the neuron axes, in
 * row-major order.
 */
export function neuronOfElement({ shape, axes }: Shape): Int32Array {
  const size = shape.reduce((product, length) => product * length, 1);
  const numbering = [...axes].sort((a, b) => a - b);
  const coordinates = shape.map(() => 0);
  return Int32Array.from({ length: size }, () => {
    const neuron = numbering.reduce(
      (number, axis) => number * (shape[axis] ?? 1) + (coordinates[axis] ?? 0),
      0,
    );
    // The next element: the last coordinate that can grow does, those behind it start again.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      coordinates[axis] = (coordinates[axis] + 1) % shape[axis];
      if (coordinates[axis] > 0) break;
    }
    return neuron;
  });
}

type Sizes = {
  readonly of: Record<Exclude<Domain, 'host'>, number>;
  readonly neuronOf: Int32Array;
};

function sizesOf(shape: Shape): Sizes {
  const neuronOf = neuronOfElement(shape);
  return {
    of: {
      element: neuronOf.length,
      neuron: shape.axes.reduce((product, axis) => product * (shape.shape[axis] ?? 1), 1),
      tensor: 1,
    },
    neuronOf,
  };
}

const real: Record<string, (x: number, y: number, z: number) => number> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  sqrt: (x) => Math.sqrt(x),
  abs: (x) => Math.abs(x),
  neg: (x) => -x,
  less: (x, y) => (x < y ? 1 : 0),
  lessEqual: (x, y) => (x <= y ? 1 : 0),
  equal: (x, y) => (x === y ? 1 : 0),
  select: (condition, x, y) => (condition !== 0 ? x : y),
};

/** Values on a domain, spread over a wider one. */
function spread(
  values: Float32Array,
  from: Domain,
  to: Domain,
  { of, neuronOf }: Sizes,
): Float32Array {
  if (from === to) return values;
  const wide = new Float32Array(of[to as 'element']);
  if (from === 'tensor') return wide.fill(values[0]);
  for (let i = 0; i < wide.length; i++) wide[i] = values[neuronOf[i]];
  return wide;
}

/**
 * float32 arithmetic: each operation in double, rounded once more, gives the correctly rounded
 * float32 result.
 */
function apply(op: string, args: readonly Float32Array[], length: number): Float32Array {
  const [x, y = x, z = x] = args;
  const operation = real[op];
  const result = new Float32Array(length);
  for (let i = 0; i < length; i++) result[i] = operation(x[i], y[i], z[i]);
  return result;
}

/** What a plan's sum adds up, and what it came to. */
export type Sum = {
  readonly buffer: Buffer;
  readonly from: Domain;
  readonly terms: Float32Array;
  readonly value: Float32Array;
};

/** Follows a plan; sums are taken from `sums`. Gives what each sum adds up. */
export function interpret(
  plan: Plan,
  shape: Shape,
  inputs: Inputs,
  scalars: Float32Array,
  sums: ReadonlyMap<Buffer, Float32Array>,
): Sum[] {
  const sizes = sizesOf(shape);
  const memory = new Map<Buffer, Float32Array>();
  const found: Sum[] = [];
  for (const { domain, instructions, stores, sums: adding } of plan.stages) {
    const length = sizes.of[domain];
    const values: Float32Array[] = [];
    const valueOf = (instruction: Instruction): Float32Array => {
      if (instruction.op === 'constant') return new Float32Array(length).fill(instruction.value);
      if (instruction.op === 'scalar')
        return new Float32Array(length).fill(scalars[instruction.index]);
      if (instruction.op === 'load') {
        const { buffer } = instruction;
        return spread(memory.get(buffer) ?? inputs[buffer.name], buffer.domain, domain, sizes);
      }
      const operands = instruction.args.map((arg) => values[arg]);
      return apply(instruction.op, operands, length);
    };
    for (const instruction of instructions) values.push(valueOf(instruction));
    for (const { buffer, value } of adding) {
      const result = sums.get(buffer)!;
      found.push({ buffer, from: domain, terms: values[value], value: result });
      memory.set(buffer, result);
    }
    for (const { buffer, value } of stores) memory.set(buffer, values[value]);
  }
  return found;
}

/** The sums of terms in double, and the sums of their magnitudes. */
export function exactSums(
  sum: Sum,
  shape: Shape,
): { sums: Float64Array; magnitudes: Float64Array } {
  const { of, neuronOf } = sizesOf(shape);
  const sums = new Float64Array(of[sum.buffer.domain as 'element']);
  const magnitudes = new Float64Array(sums.length);
  for (let i = 0; i < sum.terms.length; i++) {
    const target = sum.buffer.domain === 'neuron' ? neuronOf[i] : 0;
    sums[target] += sum.terms[i];
    magnitudes[target] += Math.abs(sum.terms[i]);
  }
  return { sums, magnitudes };
}

/**
 * Thrown where two sums of the same terms came out differently: which of them a rule means cannot
 * be told.
 */
export class Ambiguous extends Error {}

/** The value of a reduction: that of the sum with the same terms. */
export function lookUp(
  known: readonly Sum[],
): (domain: Domain, from: Domain, terms: Float32Array) => Float32Array {
  const same = (a: Float32Array, b: Float32Array): boolean =>
    a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
  return (domain, from, terms) => {
    const fitting = known.filter(
      (sum) => sum.buffer.domain === domain && sum.from === from && same(sum.terms, terms),
    );
    if (fitting.length === 0)
      throw new Error(`the plan has no sum over ${from} values with the terms of the rule`);
    if (fitting.some(({ value }) => !same(value, fitting[0].value))) throw new Ambiguous();
    return fitting[0].value;
  };
}

/**
 * The values of expressions, each on the domain given beside it, straight from their definition.
 */
export function evaluateOutputs(
  outputs: readonly { readonly value: Expression; readonly domain: Exclude<Domain, 'host'> }[],
  shape: Shape,
  inputs: Inputs,
  hostValues: Readonly<Record<string, number>>,
  sumOf: (domain: Domain, from: Domain, terms: Float32Array) => Float32Array,
): Float32Array[] {
  const sizes = sizesOf(shape);
  const hostKnown = new Map<Expression, number>();
  const host = (expression: Expression): number =>
    getOrMake(hostKnown, expression, () => {
      const { op, args, value, name } = expression;
      if (op === 'constant') return value!;
      if (op === 'scalar') return hostValues[name!];
      const [x = 0, y = 0, z = 0] = args.map(host);
      return real[op](x, y, z);
    });
  const known = new Map<Expression, Float32Array>();
  const on = (expression: Expression, domain: Domain): Float32Array =>
    expression.domain === 'host'
      ? new Float32Array(sizes.of[domain as 'element']).fill(host(expression))
      : spread(evaluate(expression), expression.domain, domain, sizes);
  const evaluate = (expression: Expression): Float32Array =>
    getOrMake(known, expression, () => {
      const { op, args, domain, name } = expression;
      if (op === 'input') return inputs[name!];
      if (op === 'neuronSum' || op === 'tensorSum')
        return sumOf(domain, args[0].domain, evaluate(args[0]));
      const operands = args.map((arg) => on(arg, domain));
      return apply(op, operands, sizes.of[domain as 'element']);
    });
  return outputs.map(({ value, domain }) => on(value, domain));
}
