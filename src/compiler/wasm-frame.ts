/** What all parts of a WebAssembly kernel use: its local variables and the addresses in memory. */
import type { Buffer, Instruction, Plan, Stage } from './plan.js';
import { assign, forLoop, one, plus, shiftLeft, times, zero } from './wasm-code.js';
import * as wasm from './wasm-instructions.js';
import type { Code } from './wasm-instructions.js';
import { parameterBlockOf, sizeNames } from './wasm-memory.js';
import { encodeModule, type ValueType } from './wasm-module.js';

/** The locals of values that are computed before a loop begins. */
export type Hoisted = ReadonlyMap<Instruction, number>;

/** Adds float32 values to the float64 accumulator at an address. */
export const accumulate = (address: Code, values: readonly Code[]): Code => [
  address,
  address,
  wasm.f64Load,
  values.map((value) => [value, wasm.f64Promote, wasm.f64Add]),
  wasm.f64Store,
];

/**
 * Declares the local variables of a kernel, copies its parameter block to them, and knows the
 * addresses of buffers.
 */
export class KernelFrame {
  readonly #locals: ValueType[] = [];
  /** Copies the parameter block to locals. */
  readonly #opening: Code[] = [];
  readonly #pointers: ReadonlyMap<Buffer, Code>;
  /** The locals of the scalars, each four times in a vector. */
  readonly #scalars: readonly number[];
  readonly sizes: Readonly<Record<(typeof sizeNames)[number], Code>>;
  /** The locals of the neurons that all stages take before the next block. */
  readonly blockStart: number;
  readonly blockEnd: number;

  constructor(plan: Plan) {
    const { pointers, scalars } = parameterBlockOf(plan);
    const word = (index: number): Code => wasm.get(this.#parameter(wasm.i32Load(4 * index)));
    this.sizes = Object.fromEntries(sizeNames.map((name, i) => [name, word(i)])) as this['sizes'];
    this.#pointers = new Map(plan.buffers.map((buffer, i) => [buffer, word(pointers + i)]));
    this.#scalars = plan.scalars.map((_, i) =>
      this.#parameter(wasm.loadSplat(4 * (scalars + i)), 'v128'),
    );
    this.blockStart = this.local();
    this.blockEnd = this.local();
  }

  /** The first neuron of the block. */
  get neuronStart(): Code {
    return wasm.get(this.blockStart);
  }

  /** The neuron behind the block. Where blocks are smaller than the tensor, neuronsOuter is 1. */
  get neuronEnd(): Code {
    return times(wasm.get(this.blockEnd), this.sizes.neuronsOuter);
  }

  /** Declares a local variable. Number 0 is the kernel's parameter. */
  local(type: ValueType = 'i32'): number {
    return this.#locals.push(type);
  }

  /** Loads a word of the parameter block into a local. */
  #parameter(load: Code, type?: ValueType): number {
    const local = this.local(type);
    this.#opening.push(assign(local, [wasm.get(0), load]));
    return local;
  }

  /** Runs `body` for the values from `from` on and below `end`. */
  each(from: Code, end: Code, body: (value: Code) => Code, step = one): Code {
    const counter = this.local();
    return forLoop(counter, from, end, step, body(wasm.get(counter)));
  }

  /** The address of a value. */
  at(buffer: Buffer, index: Code): Code {
    return plus(this.#pointers.get(buffer)!, shiftLeft(index, 2));
  }

  /** The address of a sum's float64 accumulator. */
  accumulator(sum: Buffer, neuron: Code): Code {
    const ofTensor = sum.domain === 'tensor';
    const results = this.at(sum, ofTensor ? one : this.sizes.neurons);
    return plus(results, shiftLeft(ofTensor ? zero : neuron, 3));
  }

  /** The address of a neuron sum's float32 accumulator. */
  partial(sum: Buffer, neuron: Code): Code {
    return this.at(sum, plus(times(this.sizes.neurons, wasm.i32Const(3)), neuron));
  }

  /**
   * Computes what does not change during a loop: constants, scalars, and values of `domain`, at
   * `index`; `known` has been computed already.
   */
  hoist(
    { instructions }: Stage,
    domain: Buffer['domain'],
    index: Code,
    known: Hoisted = new Map(),
  ): { hoisted: Hoisted; code: Code } {
    const hoisted = new Map(known);
    const code = instructions.map((instruction) => {
      if (instruction.op === 'scalar') hoisted.set(instruction, this.#scalars[instruction.index]);
      const isLoad = instruction.op === 'load' && instruction.buffer.domain === domain;
      const isFixed = isLoad || instruction.op === 'constant';
      if (!isFixed || hoisted.has(instruction)) return [];
      const local = this.local('v128');
      hoisted.set(instruction, local);
      return assign(
        local,
        instruction.op === 'constant'
          ? wasm.splatConst(instruction.value)
          : [this.at(instruction.buffer, index), wasm.loadSplat(0)],
      );
    });
    return { hoisted, code };
  }

  /** The module of a kernel that runs `body`. */
  encode(body: Code, shared: boolean): Uint8Array<ArrayBuffer> {
    return encodeModule(this.#locals, [this.#opening, body], shared);
  }
}
