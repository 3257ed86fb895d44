/**
 * From expressions to a plan: which values are computed in which sweep over the data.
 *
 * A plan is a list of stages. An element stage sweeps over the tensor, a neuron stage over its neurons, a tensor stage
 * computes single values. Stages come in rounds (element, neuron, tensor), one for every depth of reduction; a value
 * that a later stage needs is computed once and kept in scratch memory. The order of sums and operations is the rule
 * author's: nothing is reordered, common subexpressions are merged. This module knows no backend.
 */
import { compileHost } from './evaluate.js';
import { isReduction, type DeviceDomain, type Expression, type Reduction } from './expression.js';

/** A place in memory that stages read and write. */
export type Buffer = {
  readonly name: string;
  readonly domain: DeviceDomain;
  /**
   * variable, gradient, slot: what the rule sees. stepWide: one value for all variables of a step. reading: a result
   * for the host. sum, scratch: values that stages hand on, dead after the step.
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
  /** Computes the scalars in double precision, and rounds each once as it writes them to `into` from `offset` on. */
  readonly writeScalars: (values: Readonly<Record<string, number>>, into: Float32Array, offset?: number) => Float32Array;
  readonly buffers: readonly Buffer[];
  readonly stages: readonly Stage[];
};

/** The buffers that a stage reads. */
export const loadsOf = ({ instructions }: Stage): Buffer[] => instructions.flatMap((instruction) => (instruction.op === 'load' ? [instruction.buffer] : []));

/** True if a plan has to know which elements belong to which neuron. */
export const hasNeurons = ({ buffers }: Plan): boolean => buffers.some(({ domain }) => domain === 'neuron');

export type Output = { readonly buffer: Buffer; readonly value: Expression };

/** An expression graph with equal subexpressions merged. */
type Node = {
  readonly expression: Expression;
  readonly args: readonly Node[];
  readonly id: number;
  /** True if a scalar of the host is in it. */
  readonly hasScalar: boolean;
};

const domains: readonly DeviceDomain[] = ['element', 'neuron', 'tensor'];

/** Stages in the order of execution: three for each round. */
const stageIndex = (round: number, domain: DeviceDomain): number => round * 3 + domains.indexOf(domain);

/** Merges equal subexpressions. */
function mergeEqual(): (expression: Expression) => Node {
  const byKey = new Map<string, Node>();
  const known = new Map<Expression, Node>();
  return function merge(expression: Expression): Node {
    const found = known.get(expression);
    if (found) return found;
    const args = expression.args.map(merge);
    const value = Object.is(expression.value, -0) ? '-0' : expression.value;
    const key = `${expression.op} ${expression.name ?? ''} ${value ?? ''} ${args.map((arg) => arg.id)}`;
    const node = byKey.get(key) ?? { expression, args, id: byKey.size, hasScalar: expression.op === 'scalar' || args.some((arg) => arg.hasScalar) };
    byKey.set(key, node);
    known.set(expression, node);
    return node;
  };
}

const isInput = (node: Node): boolean => node.expression.op === 'input';
const isHost = (node: Node): boolean => node.expression.domain === 'host';
const isCondition = (node: Node): boolean => node.expression.type === 'boolean';

/** The numbers that a node is computed from in its own stage: conditions are computed wherever they are used. */
const operandsOf = (node: Node): readonly Node[] => node.args.flatMap((arg) => (isCondition(arg) ? operandsOf(arg) : [arg]));

/** The first round in which the value can be read by a stage of `domain`. */
function makeRoundOf(): (node: Node, domain: DeviceDomain) => number {
  const computed = new Map<Node, number>();
  const roundComputed = (node: Node): number => {
    let round = computed.get(node);
    if (round === undefined) {
      const domain = (isReduction(node.expression) ? node.args[0].expression.domain : node.expression.domain) as DeviceDomain;
      round = Math.max(0, ...operandsOf(node).map((operand) => roundReadable(operand, domain)));
      computed.set(node, round);
    }
    return round;
  };
  const roundReadable = (node: Node, domain: DeviceDomain): number => {
    if (isHost(node) || isInput(node)) return 0;
    // Within a round elements come before neurons, and neurons before the tensor: what comes later is read a round later.
    return roundComputed(node) + (node.expression.domain === domain ? 0 : 1);
  };
  return roundReadable;
}

/** Makes the plan that gives each output's buffer its value; `inputs` are the buffers of the expressions' inputs by name. */
export function makePlan(name: string, inputs: Readonly<Record<string, Buffer>>, outputs: readonly Output[]): Plan {
  const merge = mergeEqual();
  const roundOf = makeRoundOf();
  const roots = outputs.map(({ buffer, value }) => {
    if (value?.type !== 'number') throw new Error(`rule ${name}: ${buffer.name} must become a number expression, got ${value?.type ?? String(value)}`);
    const node = merge(value);
    const depth = domains.indexOf(buffer.domain);
    if (!isHost(node) && domains.indexOf(node.expression.domain as DeviceDomain) < depth) {
      throw new Error(`rule ${name}: ${buffer.name} has one value per ${buffer.domain}, got an expression that varies over ${node.expression.domain}`);
    }
    return { buffer, node, stage: stageIndex(roundOf(node, buffer.domain), buffer.domain) };
  });

  // A buffer must not be overwritten before its last reader; moving a store can add readers of other buffers.
  for (;;) {
    const { plan, lastRead } = schedule(name, inputs, roots, roundOf);
    const early = roots.filter(({ buffer, stage }) => (lastRead.get(buffer) ?? 0) > stage);
    if (early.length === 0) return plan;
    for (const root of early) root.stage += 3 * Math.ceil((lastRead.get(root.buffer)! - root.stage) / 3);
  }
}

type Root = { readonly buffer: Buffer; readonly node: Node; stage: number };

/** Builds the stages from the last to the first: each says what it needs of earlier ones. */
function schedule(
  name: string,
  inputs: Readonly<Record<string, Buffer>>,
  roots: readonly Root[],
  roundOf: (node: Node, domain: DeviceDomain) => number,
): { plan: Plan; lastRead: Map<Buffer, number> } {
  const scalars: Node[] = [];
  const scalarIndex = (node: Node): number => {
    const known = scalars.indexOf(node);
    return known >= 0 ? known : scalars.push(node) - 1;
  };
  const lastRead = new Map<Buffer, number>();
  const handedOn = new Map<Node, Buffer>();
  const stages: Stage[] = [];

  /** The stage that computes a node which is neither input nor host. */
  const home = (node: Node): number => {
    const domain = (isReduction(node.expression) ? node.args[0].expression.domain : node.expression.domain) as DeviceDomain;
    return stageIndex(roundOf(node, node.expression.domain as DeviceDomain), domain);
  };

  const bufferOf = (node: Node): Buffer => {
    if (isInput(node)) {
      const buffer = inputs[node.expression.name!];
      if (!buffer) throw new Error(`rule ${name}: there is no input called '${node.expression.name}', known are ${Object.keys(inputs).join(', ')}`);
      return buffer;
    }
    let buffer = handedOn.get(node);
    if (!buffer) {
      const role = isReduction(node.expression) ? 'sum' : 'scratch';
      buffer = { name: `${role}${handedOn.size}`, domain: node.expression.domain as DeviceDomain, role };
      handedOn.set(node, buffer);
    }
    return buffer;
  };

  for (let index = Math.max(...roots.map(({ stage }) => stage)); index >= 0; index--) {
    const instructions: Instruction[] = [];
    const emitted = new Map<Node, number>();
    const emit = (node: Node): number => {
      let at = emitted.get(node);
      if (at === undefined) {
        at = instructions.push(instructionFor(node)) - 1;
        emitted.set(node, at);
      }
      return at;
    };
    const instructionFor = (node: Node): Instruction => {
      const { op } = node.expression;
      if (isHost(node)) {
        if (!isCondition(node)) return node.hasScalar ? { op: 'scalar', index: scalarIndex(node) } : { op: 'constant', value: compileHost([node.expression])({}, new Float32Array(1))[0] };
        const zero = instructions.push({ op: 'constant', value: 0 }) - 1;
        const flag = instructions.push({ op: 'scalar', index: scalarIndex(node) }) - 1;
        return { op: 'less', args: [zero, flag] };
      }
      if (isCondition(node) || (!isInput(node) && !isReduction(node.expression) && home(node) === index)) {
        return { op: op as ComputingOperation, args: node.args.map(emit) };
      }
      const buffer = bufferOf(node);
      lastRead.set(buffer, Math.max(index, lastRead.get(buffer) ?? 0));
      return { op: 'load', buffer };
    };
    const stores = [
      ...roots.filter(({ stage }) => stage === index),
      ...[...handedOn].map(([node, buffer]) => ({ node, buffer })).filter(({ node, buffer }) => buffer.role === 'scratch' && home(node) === index),
    ].map(({ buffer, node }) => ({ buffer, value: emit(node) }));
    const sums = [...handedOn]
      .filter(([node, buffer]) => buffer.role === 'sum' && home(node) === index)
      .map(([node, buffer]) => ({ buffer, value: emit(node.args[0]) }));
    if (stores.length + sums.length > 0) stages.unshift({ domain: domains[index % 3], instructions, stores, sums });
  }

  const buffers = new Set<Buffer>();
  for (const stage of stages) {
    for (const instruction of stage.instructions) if (instruction.op === 'load') buffers.add(instruction.buffer);
    for (const { buffer } of [...stage.stores, ...stage.sums]) buffers.add(buffer);
  }
  const expressions = scalars.map((node) => node.expression);
  return { plan: { name, scalars: expressions, writeScalars: compileHost(expressions), buffers: [...buffers], stages }, lastRead };
}
