/** From ordered expressions to the instructions of stages. */
import { getOrMake } from '../get-or-make.js';
import { isReduction, type DeviceDomain, type Expression } from './expression.js';
import {
  writesOf,
  type Buffer,
  type ComputingOperation,
  type Instruction,
  type Stage,
  type Write,
} from './plan.js';
import { domainOf, isCondition, isHost } from './stage-order.js';

/** A value that a buffer gets, and the stage that stores it, or adds it up. */
export type Root = { readonly buffer: Buffer; readonly node: Expression; stage: number };

/**
 * Writes the stages of a plan from the last to the first, since each adds roots to earlier ones: the
 * values that it reads. A stage computes all that its roots need, every value once, operands first.
 */
export class StageWriter {
  readonly #inputOf: (node: Expression) => Buffer;
  readonly #stageOf: (node: Expression) => number;
  /** The plan's outputs, then what later stages read of earlier ones. */
  readonly #roots: Root[];
  /** The buffers of the values that later stages read of earlier ones. */
  readonly #handedOn = new Map<Expression, Buffer>();
  readonly scalars: Expression[] = [];
  /** The last stage that reads each buffer. */
  readonly lastRead = new Map<Buffer, number>();
  /** The stage that is being written, its instructions and where they stand. */
  #index = 0;
  #instructions: Instruction[] = [];
  #places = new Map<Expression, number>();

  constructor(
    outputs: readonly Root[],
    inputOf: (node: Expression) => Buffer,
    stageOf: (node: Expression) => number,
  ) {
    this.#roots = [...outputs];
    this.#inputOf = inputOf;
    this.#stageOf = stageOf;
  }

  /** All stages, in the order of execution. To be called once. */
  write(): Stage[] {
    const stages: Stage[] = [];
    this.#index = Math.max(...this.#roots.map(({ stage }) => stage));
    for (; this.#index >= 0; this.#index--) {
      const stage = this.#writeStage();
      if (writesOf(stage).length > 0) stages.unshift(stage);
    }
    return stages;
  }

  #writeStage(): Stage {
    this.#instructions = [];
    this.#places = new Map();
    const roots = this.#roots.filter(({ stage }) => stage === this.#index);
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
    if (!this.scalars.includes(node)) this.scalars.push(node);
    const scalar = { op: 'scalar', index: this.scalars.indexOf(node) } as const;
    if (!isCondition(node)) return scalar;
    return { op: 'less', args: [this.#push({ op: 'constant', value: 0 }), this.#push(scalar)] };
  }

  #isComputedHere(node: Expression): boolean {
    if (isCondition(node)) return true;
    return node.op !== 'input' && !isReduction(node) && this.#stageOf(node) === this.#index;
  }

  /** The buffer from which the stage reads an input or a value of an earlier stage. */
  #read(node: Expression): Buffer {
    const buffer =
      node.op === 'input'
        ? this.#inputOf(node)
        : getOrMake(this.#handedOn, node, () => this.#request(node));
    // The first reader that is written is the last that runs.
    if (!this.lastRead.has(buffer)) this.lastRead.set(buffer, this.#index);
    return buffer;
  }

  /** Makes an earlier stage write a value to a new buffer. */
  #request(node: Expression): Buffer {
    const role = isReduction(node) ? 'sum' : 'scratch';
    const name = role + this.#handedOn.size;
    const buffer: Buffer = { name, domain: node.domain as DeviceDomain, role };
    this.#roots.push({ buffer, node, stage: this.#stageOf(node) });
    return buffer;
  }
}
