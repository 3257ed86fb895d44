/**
 * The innermost loops of a kernel, over values that are neighbours in memory.
 *
 * A segment takes four values at a time in vectors, the last ones singly in the first lane of a
 * vector. It computes what its stage stores, and adds up what the stage sums: in registers, or in
 * memory where neighbouring values belong to different sums.
 */
import { getOrMake } from '../get-or-make.js';
import type { Buffer, Instruction, Stage, Write } from './plan.js';
import {
  assign,
  increase,
  isLess,
  minus,
  plus,
  shiftLeft,
  smaller,
  whileLoop,
  zero,
} from './wasm-code.js';
import { accumulate, type Hoisted, type KernelFrame } from './wasm-frame.js';
import * as wasm from './wasm-instructions.js';
import type { Code } from './wasm-instructions.js';

/**
 * Terms that one float32 accumulation may add; a power of two. 64 equal terms are at most 9.8e-7
 * off, 256 already 3.8e-6.
 */
export const laneBlock = 64;

/** A stage that is being printed. */
export type SweepContext = {
  readonly frame: KernelFrame;
  readonly stage: Stage;
  readonly hoisted: Hoisted;
};

export type SegmentOptions = SweepContext & {
  /** The number of values. */
  readonly length: Code;
  /** The index in a buffer of the value that is `from` values behind the beginning of a row. */
  readonly indexOf: (buffer: Buffer, from: Code, row: number) => Code;
  /** The neuron of all values, if they belong to one. */
  readonly neuron?: Code;
  /** The sums that differ from value to value. All others are kept in registers. */
  readonly memorySums?: readonly Write[];
  /** The rows of the tensor that the loop takes at once; they share the values of neurons. */
  readonly rows?: number;
};

type Segment = Required<SegmentOptions> & { readonly registerSums: readonly Write[] };

/**
 * Vectors that a loop takes at once: sums then have as many accumulators, which do not wait for
 * each other. A loop that also writes waits for the memory instead, and is faster with one.
 */
function vectorsOf({ stage, registerSums: { length } }: Segment): number {
  if (length === 0 || stage.stores.length > 0) return 1;
  return length <= 3 ? 4 : 2;
}

/** Prints the loops over a segment, in pieces that are short enough for its sums in registers. */
export function printSegment(options: SegmentOptions): Code {
  const { frame, stage, length, memorySums = [], rows = 1 } = options;
  const registerSums = stage.sums.filter((sum) => !memorySums.includes(sum));
  const segment = { neuron: zero, ...options, memorySums, rows, registerSums };
  if (registerSums.length === 0) return printPiece(segment, zero, length);
  const most = wasm.i32Const((laneBlock / rows) * 4 * vectorsOf(segment));
  return frame.each(
    zero,
    length,
    (from) => printPiece(segment, from, smaller(minus(length, from), most)),
    most,
  );
}

/** How a loop loads, stores and sums four values at a time, or one. */
const modes = {
  vector: { load: wasm.load, store: wasm.store, bytes: 16, onlyValid: [] },
  lane: {
    load: wasm.loadLane,
    store: wasm.storeLane,
    bytes: 4,
    onlyValid: [wasm.firstLaneMask, wasm.and],
  },
};
type Mode = (typeof modes)[keyof typeof modes];

/** Prints the loops over `length` values of a segment, from the value `from` on. */
function printPiece(segment: Segment, from: Code, length: Code): Code {
  const { frame, neuron, registerSums, memorySums, indexOf } = segment;
  const [offset, end] = [frame.local(), frame.local()];
  const starts: Code[] = [];
  /** The address that begins at `start` and moves along with the loop. */
  const moving = (start: Code): Code => {
    const base = frame.local();
    starts.push(assign(base, start));
    return plus(wasm.get(base), wasm.get(offset));
  };
  const vectors = Array.from({ length: vectorsOf(segment) }, (_, k) => k);
  const registers = registerSums.map(() => vectors.map(() => frame.local('v128')));
  const registersOf = vectors.map((k) => registers.map((ofSum) => ofSum[k]));
  const partials = memorySums.map(({ buffer }) =>
    moving(frame.partial(buffer, indexOf(buffer, from, 0))),
  );
  const rows = rowsOf(segment, from, moving);

  /** Takes one vector or one value of each row. */
  const step = (mode: Mode, k: number): Code => [
    rows.map((row) => printRow(segment, row, mode, registersOf[k])),
    memorySums.map(({ value }, i) => addRows(rows, value, mode, partials[i])),
    increase(offset, wasm.i32Const(mode.bytes)),
  ];
  /** Takes `count` vectors or values at once, while there are as many. */
  const loop = (mode: Mode, count: number): Code => {
    const last = plus(wasm.get(offset), wasm.i32Const(count * mode.bytes - 1));
    const steps = vectors.slice(0, count).map((k) => step(mode, k));
    return whileLoop(isLess(last, wasm.get(end)), steps);
  };
  const loops = [
    vectors.length > 1 ? loop(modes.vector, vectors.length) : [],
    loop(modes.vector, 1),
    loop(modes.lane, 1),
  ];

  return [
    assign(end, shiftLeft(length, 2)),
    assign(offset, zero),
    starts,
    registers.flat().map((register) => assign(register, wasm.splatConst(0))),
    loops,
    registerSums.map(({ buffer }, i) =>
      accumulate(frame.accumulator(buffer, neuron), registers[i].flatMap(lanesOf)),
    ),
  ];
}

/** One of the rows that a loop takes at once. */
type Row = {
  /** The locals of the instructions' values. */
  readonly values: readonly number[];
  /** True of values that are hoisted or computed in the first row. */
  readonly isKnown: (instruction: Instruction) => boolean;
  readonly addressOf: (buffer: Buffer) => Code;
};

function rowsOf(
  { frame, stage, hoisted, indexOf, rows }: Segment,
  from: Code,
  moving: (start: Code) => Code,
): Row[] {
  const isHoisted = (instruction: Instruction): boolean => hoisted.has(instruction);
  const isShared = (instruction: Instruction): boolean =>
    isHoisted(instruction) || (instruction.op === 'load' && instruction.buffer.domain === 'neuron');
  const first = stage.instructions.map(
    (instruction) => hoisted.get(instruction) ?? frame.local('v128'),
  );
  return Array.from({ length: rows }, (_, row): Row => {
    const addresses = new Map<Buffer, Code>();
    return {
      values: stage.instructions.map((instruction, i) =>
        row === 0 || isShared(instruction) ? first[i] : frame.local('v128'),
      ),
      isKnown: row === 0 ? isHoisted : isShared,
      addressOf: (buffer) =>
        getOrMake(addresses, buffer, () => moving(frame.at(buffer, indexOf(buffer, from, row)))),
    };
  });
}

/** Computes the values of a row, stores them, and adds them to the sums in `registers`. */
function printRow(
  { stage, registerSums }: Segment,
  { values, isKnown, addressOf }: Row,
  { load, store, onlyValid }: Mode,
  registers: readonly number[],
): Code {
  return [
    stage.instructions.map((instruction, i) => {
      if (isKnown(instruction)) return [];
      const value =
        instruction.op === 'load'
          ? [addressOf(instruction.buffer), load]
          : operation(stage, instruction, values);
      return assign(values[i], value);
    }),
    stage.stores.map(({ buffer, value }) => [addressOf(buffer), wasm.get(values[value]), store]),
    registerSums.map(({ value }, i) =>
      assign(registers[i], [wasm.get(registers[i]), wasm.get(values[value]), onlyValid, wasm.add]),
    ),
  ];
}

/** Adds the values of all rows to a sum in memory. */
const addRows = (rows: readonly Row[], value: number, mode: Mode, address: Code): Code => [
  address,
  address,
  mode.load,
  rows.map(({ values }, row) => [wasm.get(values[value]), row > 0 ? wasm.add : []]),
  wasm.add,
  mode.store,
];

const lanesOf = (register: number): Code[] =>
  [0, 1, 2, 3].map((lane) => [wasm.get(register), wasm.extractLane(lane)]);

/** Computes an instruction from the locals of its operands. */
function operation(
  { instructions }: Stage,
  instruction: Instruction,
  values: readonly number[],
): Code {
  // All others are hoisted.
  if (!('args' in instruction)) return [];
  const { op, args } = instruction;
  const [a, b = [], c] = args.map((arg) => wasm.get(values[arg]));
  if (op !== 'select') return [a, b, wasm.arithmetic(op)];
  const isZero = (arg: number): boolean => {
    const source = instructions[arg];
    return source.op === 'constant' && Object.is(source.value, 0);
  };
  // Processors have one instruction for a choice between a value and zero.
  if (isZero(args[2])) return [b, a, wasm.and];
  if (isZero(args[1])) return [c, a, wasm.andNot];
  // v128.bitselect takes the condition last.
  return [b, c, a, wasm.bitselect];
}
