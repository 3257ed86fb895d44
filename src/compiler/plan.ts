/**
 * From expressions to a plan: which values are computed in which sweep over the data.
 *
 * A plan is a list of stages. An element stage sweeps over the tensor, a neuron stage over its
 * neurons, a tensor stage computes single values. Stages come in rounds (element, neuron, tensor),
 * one for every depth of reduction; a value that a later stage needs is computed once and kept in
 * scratch memory. The order of sums and operations is the rule author's: nothing is reordered,
 * common subexpressions are merged. This module knows no backend.
 */
import { getOrMake } from '../get-or-make.js';
import { compileHost } from './evaluate.js';
import {
  constant,
  isReduction,
  type DeviceDomain,
  type Domain,
  type Expression,
  type Reduction,
} from './expression.js';

/** A place in memory that stages read and write. */
export type Buffer = {
  readonly name: string;
  readonly domain: DeviceDomain;
  /**
   * variable, gradient, slot: what the rule sees. stepWide: one value for all variables of a step.
   * reading: a result for the host. sum, scratch: values that stages hand on, dead after the step.
   */
  readonly role: 'variable' | 'gradient' | 'slot' | 'stepWide' | 'reading' | 'sum' | 'scratch';
};

type ComputingOperation = Exclude<Expression['op'], 'constant' | 'scalar' | 'input' | Reduction>;

/** One value of a stage; `args` are indices into the stage's instructions. */
export type Instruction =
  | { readonly op: 'load'; readonly buffer: Buffer }
  | { readonly op: 'constant'; readonly value: number }
  | { readonly op: 'scalar'; readonly index: number }
  | { readonly op: ComputingOperation; readonly args: readonly number[] };

export type Stage = {
  readonly domain: DeviceDomain;
  readonly instructions: readonly Instruction[];
  /** Written after everything of an element has been read. */
  readonly stores: readonly { readonly buffer: Buffer; readonly value: number }[];
  readonly sums: readonly { readonly buffer: Buffer; readonly value: number }[];
};

export type Plan = {
  readonly name: string;
  /** Host expressions, in the order of the kernel's scalars. */
  readonly scalars: readonly Expression[];
  /**
   * Computes the scalars in double precision, and rounds each once as it writes them to `into` from
   * `offset` on.
   */
  readonly writeScalars: (
    values: Readonly<Record<string, number>>,
    into: Float32Array,
    offset?: number,
  ) => Float32Array;
  readonly buffers: readonly Buffer[];
  readonly stages: readonly Stage[];
};

/** The buffers that a stage reads. */
export const loadsOf = ({ instructions }: Stage): Buffer[] =>
  instructions.flatMap((instruction) => (instruction.op === 'load' ? [instruction.buffer] : []));

/** True if a plan has to know which elements belong to which neuron. */
export const hasNeurons = ({ buffers }: Plan): boolean =>
  buffers.some(({ domain }) => domain === 'neuron');

export type Output = { readonly buffer: Buffer; readonly value: Expression };

const domains: readonly Domain[] = ['element', 'neuron', 'tensor'];

/** Stages in the order of execution: three for each round. */
const stageIndex = (round: number, domain: Domain): number => round * 3 + domains.indexOf(domain);

const isHost = ({ domain }: Expression): boolean => domain === 'host';
const isCondition = ({ type }: Expression): boolean => type === 'boolean';

/**
 * The numbers that a node is computed from in its own stage: conditions are computed wherever they
 * are used.
 */
const operandsOf = ({ args }: Expression): readonly Expression[] =>
  args.flatMap((arg) => (isCondition(arg) ? operandsOf(arg) : [arg]));

/** What the sweep that computes a node runs over. */
const sweepOf = (node: Expression): Domain => (isReduction(node) ? node.args[0] : node).domain;

/**
 * Makes equal subexpressions one node each, and constants of what the host can compute beforehand.
 */
function mergeEqual(): (expression: Expression) => Expression {
  const nodes = new Map<string, Expression>();
  const ids = new Map<Expression, number>();
  const known = new Map<Expression, Expression>();
  const node = (expression: Expression): Expression => {
    const { op, name, value, args } = expression;
    const key = [
      op,
      name,
      Object.is(value, -0) ? '-0' : value,
      ...args.map((arg) => ids.get(arg)),
    ].join();
    return getOrMake(nodes, key, () => {
      ids.set(expression, ids.size);
      return expression;
    });
  };
  return function merge(expression: Expression): Expression {
    return getOrMake(known, expression, () => {
      const args = expression.args.map(merge);
      const merged: Expression = { ...expression, args };
      const isConstant =
        isHost(expression) &&
        !isCondition(expression) &&
        args.length > 0 &&
        args.every(({ op }) => op === 'constant');
      return node(
        isConstant ? constant(compileHost([merged])({}, new Float64Array(1))[0]) : merged,
      );
    });
  };
}

type Root = { readonly buffer: Buffer; readonly node: Expression; stage: number };

/**
 * Makes the plan that gives each output's buffer its value; `inputs` are the buffers of the
 * expressions' inputs by name.
 */
export function makePlan(
  name: string,
  inputs: Readonly<Record<string, Buffer>>,
  outputs: readonly Output[],
): Plan {
  const rounds = new Map<Expression, number>();
  /**
   * The first round in which a value can be computed, and in which a stage of `domain` can read it.
   */
  const roundComputed = (node: Expression): number =>
    getOrMake(rounds, node, () =>
      Math.max(0, ...operandsOf(node).map((operand) => roundReadable(operand, sweepOf(node)))),
    );
  const roundReadable = (node: Expression, domain: Domain): number => {
    if (isHost(node) || node.op === 'input') return 0;
    // Within a round elements come before neurons, and neurons before the tensor: what comes later
    // is read a round later.
    return roundComputed(node) + (node.domain === domain ? 0 : 1);
  };
  const home = (node: Expression): number => stageIndex(roundComputed(node), sweepOf(node));

  const merge = mergeEqual();
  const roots = outputs.map(({ buffer, value }): Root => {
    if (value?.type !== 'number')
      throw new Error(
        `rule ${name}: ${buffer.name} must become a number expression, got ${value?.type ?? String(value)}`,
      );
    const node = merge(value);
    if (!isHost(node) && domains.indexOf(node.domain) < domains.indexOf(buffer.domain)) {
      throw new Error(
        `rule ${name}: ${buffer.name} has one value per ${buffer.domain}, got an expression that varies over ${node.domain}`,
      );
    }
    return { buffer, node, stage: stageIndex(roundReadable(node, buffer.domain), buffer.domain) };
  });
  const inputOf = ({ name: input }: Expression): Buffer => {
    const buffer = inputs[input!];
    if (!buffer)
      throw new Error(
        `rule ${name}: there is no input called '${input}', known are ${Object.keys(inputs).join(', ')}`,
      );
    return buffer;
  };

  // A buffer must not be overwritten before its last reader; moving a store can add readers of
  // other buffers.
  for (;;) {
    const { lastRead, scalars, ...plan } = makeStages(roots, inputOf, home);
    const early = roots.filter(({ buffer, stage }) => lastRead.get(buffer)! > stage);
    if (early.length === 0) return { name, scalars, writeScalars: compileHost(scalars), ...plan };
    for (const root of early)
      root.stage += 3 * Math.ceil((lastRead.get(root.buffer)! - root.stage) / 3);
  }
}

/**
 * Builds the stages from the last to the first: each says what it needs of earlier ones. `home` is
 * the stage that computes a node.
 */
function makeStages(
  roots: readonly Root[],
  inputOf: (node: Expression) => Buffer,
  home: (node: Expression) => number,
) {
  const scalars: Expression[] = [];
  const lastRead = new Map<Buffer, number>();
  const handedOn = new Map<Expression, Buffer>();
  const stages: Stage[] = [];

  for (let index = Math.max(...roots.map(({ stage }) => stage)); index >= 0; index--) {
    const instructions: Instruction[] = [];
    const emitted = new Map<Expression, number>();
    const emit = (node: Expression): number =>
      getOrMake(emitted, node, () => instructions.push(instructionFor(node)) - 1);
    const instructionFor = (node: Expression): Instruction => {
      const { op, domain, args, value } = node;
      if (op === 'constant') return { op, value: value! };
      if (isHost(node)) {
        const scalar = {
          op: 'scalar',
          index: scalars.includes(node) ? scalars.indexOf(node) : scalars.push(node) - 1,
        } as const;
        return isCondition(node)
          ? {
              op: 'less',
              args: [
                instructions.push({ op: 'constant', value: 0 }) - 1,
                instructions.push(scalar) - 1,
              ],
            }
          : scalar;
      }
      if (isCondition(node) || (op !== 'input' && !isReduction(node) && home(node) === index))
        return { op: op as ComputingOperation, args: args.map(emit) };
      const role = isReduction(node) ? 'sum' : 'scratch';
      const buffer =
        op === 'input'
          ? inputOf(node)
          : getOrMake(handedOn, node, (): Buffer => ({
              name: `${role}${handedOn.size}`,
              domain: domain as DeviceDomain,
              role,
            }));
      if (!lastRead.has(buffer)) lastRead.set(buffer, index);
      return { op: 'load', buffer };
    };
    const due = (role: Buffer['role']): [Expression, Buffer][] =>
      [...handedOn].filter(([node, buffer]) => buffer.role === role && home(node) === index);
    const stores = [
      ...roots.filter(({ stage }) => stage === index),
      ...due('scratch').map(([node, buffer]) => ({ node, buffer })),
    ].map(({ node, buffer }) => ({ buffer, value: emit(node) }));
    const sums = due('sum').map(([node, buffer]) => ({ buffer, value: emit(node.args[0]) }));
    if (stores.length + sums.length > 0)
      stages.unshift({ domain: domains[index % 3] as DeviceDomain, instructions, stores, sums });
  }
  const buffers = new Set(
    stages.flatMap((stage) => [
      ...loadsOf(stage),
      ...[...stage.stores, ...stage.sums].map(({ buffer }) => buffer),
    ]),
  );
  return { lastRead, scalars, buffers: [...buffers], stages };
}
