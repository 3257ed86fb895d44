/** From ordered expressions to the instructions of stages. */
import { getOrMake } from '../get-or-make.js';
import { isReduction, type DeviceDomain, type Expression } from './expression.js';
import type { Buffer, ComputingOperation, Instruction, Stage, Write } from './plan.js';
import { domainOf, isCondition, isHost } from './stage-order.js';

/** A value that a buffer gets, and the stage that stores it, or adds it up. */
export type Root = { readonly buffer: Buffer; readonly node: Expression; stage: number };

/** What the stages of a plan have in common. They are written from the last to the first. */
export type PlanDraft = {
  readonly inputOf: (node: Expression) => Buffer;
  readonly stageOf: (node: Expression) => number;
  readonly scalars: Expression[];
  /** The plan's outputs, then what later stages read of earlier ones. */
  readonly roots: Root[];
  /** The buffers of the values that later stages read of earlier ones. */
  readonly handedOn: Map<Expression, Buffer>;
  /** The last stage that reads each buffer. */
  readonly lastRead: Map<Buffer, number>;
};

/** Writes one stage: all that its roots need, every value once, operands first. */
export class StageWriter {
  readonly #index: number;
  readonly #plan: PlanDraft;
  readonly #instructions: Instruction[] = [];
  readonly #places = new Map<Expression, number>();

  constructor(index: number, plan: PlanDraft) {
    this.#index = index;
    this.#plan = plan;
  }

  write(): Stage {
    const roots = this.#plan.roots.filter(({ stage }) => stage === this.#index);
    const stored = roots.filter(({ buffer }) => buffer.role !== 'sum');
    const summed = roots.filter(({ buffer }) => buffer.role === 'sum');
    return {
      domain: domainOf(this.#index),
      instructions: this.#instructions,
      stores: stored.map(({ buffer, node }): Write => ({ buffer, value: this.#place(node) })),
      sums: summed.map(({ buffer, node }) => ({ buffer, value: this.#place(node.args[0]) })),
    };
  }

  /** The index of the instruction that gives a node's value. */
  #place(node: Expression): number {
    return getOrMake(this.#places, node, () => this.#push(this.#instructionFor(node)));
  }

  #push(instruction: Instruction): number {
    return this.#instructions.push(instruction) - 1;
  }

  #instructionFor(node: Expression): Instruction {
    const { op, args, value } = node;
    if (op === 'constant') return { op, value: value! };
    if (isHost(node)) return this.#hostValue(node);
    if (this.#isComputedHere(node))
      return { op: op as ComputingOperation, args: args.map((arg) => this.#place(arg)) };
    return { op: 'load', buffer: this.#read(node) };
  }

  /** A host condition reaches the kernel as the scalar 0 or 1. */
  #hostValue(node: Expression): Instruction {
    const { scalars } = this.#plan;
    if (!scalars.includes(node)) scalars.push(node);
    const scalar = { op: 'scalar', index: scalars.indexOf(node) } as const;
    if (!isCondition(node)) return scalar;
    return { op: 'less', args: [this.#push({ op: 'constant', value: 0 }), this.#push(scalar)] };
  }

  #isComputedHere(node: Expression): boolean {
    if (isCondition(node)) return true;
    return node.op !== 'input' && !isReduction(node) && this.#plan.stageOf(node) === this.#index;
  }

  /** The buffer from which the stage reads an input or a value of an earlier stage. */
  #read(node: Expression): Buffer {
    const { inputOf, handedOn, lastRead } = this.#plan;
    const buffer =
      node.op === 'input' ? inputOf(node) : getOrMake(handedOn, node, () => this.#request(node));
    // The first reader that is written is the last that runs.
    if (!lastRead.has(buffer)) lastRead.set(buffer, this.#index);
    return buffer;
  }

  /** Lets an earlier stage leave a value in a new buffer. */
  #request(node: Expression): Buffer {
    const { roots, handedOn, stageOf } = this.#plan;
    const role = isReduction(node) ? 'sum' : 'scratch';
    const domain = node.domain as DeviceDomain;
    const buffer: Buffer = { name: role + handedOn.size, domain, role };
    roots.push({ buffer, node, stage: stageOf(node) });
    return buffer;
  }
}
