/**
 * The wasm printer: a plan as one WebAssembly function over four lanes of float32.
 *
 * The kernel gets the address of a record: sizes, then a pointer for each buffer of the plan, then
 * the scalars. Element stages come in two forms. `columns`: neighbouring elements belong to
 * neighbouring neurons, a row of the tensor meets a row of neuron values. `runs`: neighbouring
 * elements belong to one neuron; where the neurons are the leading axis, all stages run over a
 * block of neurons before the next block, so that the second sweep finds its data in the cache. A
 * plan without neurons takes the tensor for one run.
 *
 * Sums are blocked: a float32 lane adds at most 64 terms, float64 goes on from there. Sums of the
 * tensor go on from what their memory holds: whoever runs the kernel clears it.
 */
import { getOrMake } from '../get-or-make.js';
import {
  hasNeurons,
  loadsOf,
  type Buffer,
  type Instruction,
  type Plan,
  type Stage,
} from './plan.js';
import type { Layout } from './layout.js';
import {
  assign,
  forLoop,
  ifThen,
  minus,
  plus,
  quotient,
  remainder,
  shiftLeft,
  smaller,
  times,
  wasm,
  whileLoop,
  type Code,
} from './wasm-code.js';
import { encodeModule, type ValueType } from './wasm-module.js';

export type LoopOrder = 'columns' | 'runs';

/**
 * Terms that one float32 accumulation may add; a power of two. 64 equal terms are at most 9.8e-7
 * off, 256 already 3.8e-6.
 */
const laneBlock = 64;
/** Rows that columns take at once. */
const rowsAtOnce = 2;
/** Elements of a block of neurons: the data of an optimizer step then fit a second-level cache. */
const cacheBlock = 8192;

const sizes = [
  'before',
  'neuronsOuter',
  'between',
  'neuronsInner',
  'after',
  'neurons',
  'block',
] as const;

export const loopOrderOf = (plan: Plan, { after }: Layout): LoopOrder =>
  hasNeurons(plan) && after === 1 ? 'columns' : 'runs';

/** Where things stand in a kernel's record, in words of four bytes. */
export const parameterBlockOf = ({ buffers, scalars }: Plan) => ({
  pointers: sizes.length,
  scalars: sizes.length + buffers.length,
  words: sizes.length + buffers.length + scalars.length,
});

/**
 * True if no sweep waits for a value of the whole tensor: then neurons can be finished one after
 * the other.
 */
const isLocal = ({ stages }: Plan): boolean =>
  stages.every(
    (stage) =>
      stage.domain === 'tensor' ||
      !loadsOf(stage).some(
        ({ domain, role }) => domain === 'tensor' && (role === 'sum' || role === 'scratch'),
      ),
  );

/**
 * The layout as the kernel sees it, with the neurons that all stages finish before the next ones
 * begin.
 */
function viewOf(plan: Plan, layout: Layout) {
  const { size, ...view } = hasNeurons(plan)
    ? layout
    : {
        ...layout,
        before: 1,
        neuronsOuter: 1,
        between: 1,
        neuronsInner: 1,
        after: layout.size,
        neurons: 1,
      };
  const leading = view.before * view.neuronsOuter === 1;
  const blocked = leading && loopOrderOf(plan, layout) === 'runs' && isLocal(plan);
  const block = blocked
    ? Math.max(1, Math.floor(cacheBlock / Math.max(1, view.after)))
    : view.neuronsInner;
  return { ...view, block, scratch: blocked ? Math.min(size, block * view.after) : size };
}

/** The sizes at the head of a record. */
export function layoutSizes(plan: Plan, layout: Layout): number[] {
  const view = viewOf(plan, layout);
  return sizes.map((name) => view[name]);
}

/**
 * Bytes of a buffer: a sum has its float32 value, then float64 accumulators, then the float32
 * accumulators of columns.
 */
export function bytesOf(plan: Plan, { role, domain }: Buffer, layout: Layout): number {
  const count =
    domain === 'neuron'
      ? layout.neurons
      : domain === 'tensor'
        ? 1
        : role === 'scratch'
          ? viewOf(plan, layout).scratch
          : layout.size;
  return (role === 'sum' ? 16 : 4) * count;
}

type Sums = Stage['sums'];
/** Locals of values that are there before a loop begins. */
type Held = ReadonlyMap<Instruction, number>;

const lanes = {
  vector: { load: wasm.load(), store: wasm.store(), bytes: 16 },
  lane: { load: wasm.loadLane(), store: wasm.storeLane(), bytes: 4 },
};

/** Prints the plan's kernel. */
export function printWasm(plan: Plan, form: LoopOrder, shared: boolean): Uint8Array<ArrayBuffer> {
  const { get, i32Const: i32 } = wasm;
  const locals: ValueType[] = [];
  /** Parameter 0 is the record. */
  const local = (type: ValueType = 'i32'): number => locals.push(type);
  const opening: Code[] = [];
  const fixed = (value: Code, type?: ValueType): number => {
    const target = local(type);
    opening.push(assign(target, value));
    return target;
  };
  const word = (index: number): Code => get(fixed([get(0), wasm.i32Load(4 * index)]));
  const each = (from: Code, end: Code, step: Code, body: (value: Code) => Code): Code => {
    const counter = local();
    return forLoop(counter, from, end, step, body(get(counter)));
  };

  const record = parameterBlockOf(plan);
  const size = Object.fromEntries(sizes.map((name, i) => [name, word(i)])) as Record<
    (typeof sizes)[number],
    Code
  >;
  const pointers = new Map(plan.buffers.map((buffer, i) => [buffer, word(record.pointers + i)]));
  const scalars = plan.scalars.map((_, i) =>
    fixed([get(0), wasm.loadSplat(4 * (record.scalars + i))], 'v128'),
  );
  const [blockStart, blockEnd] = [local(), local()];
  const neuronStart = get(blockStart);
  // Where neurons lie in blocks, neuronsOuter is 1.
  const neuronEnd = times(get(blockEnd), size.neuronsOuter);

  const at = (buffer: Buffer, index: Code): Code =>
    plus(pointers.get(buffer)!, shiftLeft(index, 2));
  // A sum's memory, for n neurons (1 for a sum of the tensor): n float32 values, n float64, n
  // float32.
  const count = ({ domain }: Buffer): Code => (domain === 'tensor' ? i32(1) : size.neurons);
  const accumulator = (sum: Buffer, neuron: Code): Code =>
    plus(at(sum, count(sum)), shiftLeft(sum.domain === 'tensor' ? i32(0) : neuron, 3));
  const partial = (sum: Buffer, neuron: Code): Code =>
    at(sum, plus(times(size.neurons, i32(3)), neuron));
  const clear = (from: Code, bytes: Code): Code => [from, i32(0), bytes, wasm.memoryFill];
  const finish = (sum: Buffer): Code => {
    const value = (neuron: Code): Code => [
      at(sum, neuron),
      accumulator(sum, neuron),
      wasm.f64Load(0),
      wasm.f32Demote,
      wasm.f32Store(0),
    ];
    return sum.domain === 'tensor' ? value(i32(0)) : each(neuronStart, neuronEnd, i32(1), value);
  };
  const sumsOf = ({ sums }: Stage, domain: Buffer['domain']): Sums =>
    sums.filter(({ buffer }) => buffer.domain === domain);

  /**
   * Vectors that a loop takes at once: sums then have as many accumulators, which do not wait for
   * each other. A loop that also writes waits for the memory instead, and is faster with one.
   */
  const vectorsOf = ({ stores }: Stage, { length }: Sums): number =>
    length === 0 || stores.length > 0 ? 1 : length <= 3 ? 4 : 2;

  /** Runs `body` over neighbouring values, in pieces that are short enough for `sums`. */
  function inBlocks(
    stage: Stage,
    sums: Sums,
    length: Code,
    body: (from: Code, length: Code) => Code,
    rows = 1,
  ): Code {
    if (sums.length === 0) return body(i32(0), length);
    const block = i32((laneBlock / rows) * 4 * vectorsOf(stage, sums));
    return each(i32(0), length, block, (from) => body(from, smaller(minus(length, from), block)));
  }

  const operation = (
    stage: Stage,
    { op, args }: Extract<Instruction, { args: readonly number[] }>,
    values: readonly number[],
  ): Code => {
    const [a, b = [], c] = args.map((arg) => get(values[arg]));
    if (op !== 'select') return [a, b, wasm[op]];
    const isZero = (arg: number): boolean => {
      const source = stage.instructions[arg];
      return source.op === 'constant' && Object.is(source.value, 0);
    };
    // v128.bitselect takes the condition last; processors have one instruction for a choice between
    // a value and zero.
    return isZero(args[2])
      ? [b, a, wasm.and]
      : isZero(args[1])
        ? [c, a, wasm.andNot]
        : [b, c, a, wasm.bitselect];
  };

  /**
   * A loop over neighbouring values, in one row of the tensor or in several at once. `address`
   * gives the start of a buffer that is read along. Sums are kept in registers and end in the
   * accumulator of `neuron`, or in partial sums in memory, one for each of the neurons from
   * `neuron` on.
   */
  function segment(
    stage: Stage,
    held: Held,
    length: Code,
    address: (buffer: Buffer, row: number) => Code,
    registerSums: Sums = [],
    neuron: Code = i32(0),
    memorySums: Sums = [],
    rows = 1,
  ): Code {
    const { instructions, stores } = stage;
    const [offset, end] = [local(), local()];
    const starts: Code[] = [];
    const addressOf = (start: Code): Code => {
      const base = local();
      starts.push(assign(base, start));
      return plus(get(base), get(offset));
    };
    const width = vectorsOf(stage, registerSums);
    const registers = registerSums.map(() => Array.from({ length: width }, () => local('v128')));
    const partials = memorySums.map(({ buffer }) => addressOf(partial(buffer, neuron)));
    const isShared = (instruction: Instruction): boolean =>
      held.has(instruction) ||
      (instruction.op === 'load' && instruction.buffer.domain === 'neuron');
    const first = instructions.map((instruction) => held.get(instruction) ?? local('v128'));
    const inRows = Array.from({ length: rows }, (_, row) => {
      const known = new Map<Buffer, Code>();
      return {
        values:
          row === 0
            ? first
            : instructions.map((instruction, i) =>
                isShared(instruction) ? first[i] : local('v128'),
              ),
        place: (buffer: Buffer): Code =>
          getOrMake(known, buffer, () => addressOf(address(buffer, row))),
      };
    });

    const body = ({ load, store }: (typeof lanes)[keyof typeof lanes], register: number): Code => [
      inRows.map(({ values, place }, row) => [
        instructions.map((instruction, i) => {
          if (held.has(instruction) || (row > 0 && isShared(instruction))) return [];
          return [
            instruction.op === 'load'
              ? [place(instruction.buffer), load]
              : 'args' in instruction
                ? operation(stage, instruction, values)
                : [],
            wasm.set(values[i]),
          ];
        }),
        stores.map(({ buffer, value }) => [place(buffer), get(values[value]), store]),
        registerSums.map(({ value }, i) => {
          const sum = registers[i][register];
          return assign(sum, [
            get(sum),
            get(values[value]),
            load === lanes.lane.load ? [wasm.firstLaneMask, wasm.and] : [],
            wasm.add,
          ]);
        }),
      ]),
      memorySums.map(({ value }, i) => [
        partials[i],
        partials[i],
        load,
        inRows.map(({ values }, row) => [get(values[value]), row > 0 ? wasm.add : []]),
        wasm.add,
        store,
      ]),
    ];
    const loop = (mode: keyof typeof lanes, times: number): Code => {
      const { bytes } = lanes[mode];
      const step = Array.from({ length: times }, (_, k) => [
        body(lanes[mode], k),
        assign(offset, plus(get(offset), i32(bytes))),
      ]);
      return whileLoop(
        [plus(get(offset), i32(times * bytes - 1)), get(end), wasm.i32LessUnsigned],
        step,
      );
    };
    const loops = [width > 1 ? loop('vector', width) : [], loop('vector', 1), loop('lane', 1)];

    return [
      assign(end, shiftLeft(length, 2)),
      assign(offset, i32(0)),
      starts,
      registers.flat().map((register) => assign(register, wasm.splatConst(0))),
      loops,
      registerSums.map(({ buffer }, i) => {
        const target = accumulator(buffer, neuron);
        const lanesOf = (register: number): Code =>
          [0, 1, 2, 3].map((lane) => [
            get(register),
            wasm.extractLane(lane),
            wasm.f64Promote,
            wasm.f64Add,
          ]);
        return [target, target, wasm.f64Load(0), registers[i].map(lanesOf), wasm.f64Store(0)];
      }),
    ];
  }

  /** Rows of neuron values meet rows of the tensor. */
  function columns(stage: Stage, held: Held): Code {
    const [neuronSums, tensorSums] = [sumsOf(stage, 'neuron'), sumsOf(stage, 'tensor')];
    const [inOuter, waiting] = [local(), local()];
    // The float32 sums of some rows go over to float64.
    const gather = neuronSums.map(({ buffer }) =>
      each(i32(0), size.neurons, i32(1), (neuron) => {
        const target = accumulator(buffer, neuron);
        return [
          target,
          target,
          wasm.f64Load(0),
          partial(buffer, neuron),
          wasm.f32Load(0),
          wasm.f64Promote,
          wasm.f64Add,
          wasm.f64Store(0),
          partial(buffer, neuron),
          wasm.f32Const(0),
          wasm.f32Store(0),
        ];
      }),
    );
    // The rows of one `outer` meet the same neurons: several at once share the work on neuron
    // values.
    const someRows = (rows: number, outer: Code): Code => {
      const firstNeuron = times(outer, size.neuronsInner);
      const starts = Array.from({ length: rows }, () => local());
      return whileLoop(
        [plus(get(inOuter), i32(rows - 1)), times(size.before, size.between), wasm.i32LessUnsigned],
        [
          starts.map((start, k) => {
            const index = plus(get(inOuter), i32(k));
            const row = plus(
              times(
                plus(times(quotient(index, size.between), size.neuronsOuter), outer),
                size.between,
              ),
              remainder(index, size.between),
            );
            return assign(start, times(row, size.neuronsInner));
          }),
          inBlocks(
            stage,
            tensorSums,
            size.neuronsInner,
            (from, length) => {
              const address = (buffer: Buffer, row: number): Code =>
                at(buffer, plus(buffer.domain === 'neuron' ? firstNeuron : get(starts[row]), from));
              return segment(
                stage,
                held,
                length,
                address,
                tensorSums,
                plus(firstNeuron, from),
                neuronSums,
                rows,
              );
            },
            rows,
          ),
          assign(inOuter, plus(get(inOuter), i32(rows))),
          assign(waiting, plus(get(waiting), i32(rows))),
          gather.length > 0
            ? ifThen(
                [i32(laneBlock - rowsAtOnce), get(waiting), wasm.i32LessUnsigned],
                [gather, assign(waiting, i32(0))],
              )
            : [],
        ],
      );
    };
    return [
      neuronSums.map(({ buffer }) =>
        clear(accumulator(buffer, i32(0)), times(size.neurons, i32(12))),
      ),
      assign(waiting, i32(0)),
      each(i32(0), size.neuronsOuter, i32(1), (outer) => [
        assign(inOuter, i32(0)),
        someRows(rowsAtOnce, outer),
        someRows(1, outer),
      ]),
      gather,
    ];
  }

  /** A run of elements belongs to one neuron, whose values are splat once. */
  function runs(stage: Stage, held: Held): Code {
    const [neuron, element] = [local(), local()];
    const [splat, splats] = hold(stage, 'neuron', get(neuron), held);
    const run = inBlocks(stage, stage.sums, size.after, (from, length) => {
      // Scratch holds one block of neurons, which stays in the cache between the sweeps.
      const start = ({ role }: Buffer): Code =>
        minus(
          plus(get(element), from),
          role === 'scratch' ? times(neuronStart, size.after) : i32(0),
        );
      return segment(
        stage,
        splat,
        length,
        (buffer) => at(buffer, start(buffer)),
        stage.sums,
        get(neuron),
      );
    });
    return [
      sumsOf(stage, 'neuron').map(({ buffer }) =>
        clear(accumulator(buffer, neuronStart), times(minus(neuronEnd, neuronStart), i32(8))),
      ),
      each(i32(0), times(times(size.before, size.neuronsOuter), size.between), i32(1), (row) =>
        each(get(blockStart), get(blockEnd), i32(1), (inner) => [
          assign(
            neuron,
            plus(
              times(remainder(quotient(row, size.between), size.neuronsOuter), size.neuronsInner),
              inner,
            ),
          ),
          assign(element, times(plus(times(row, size.neuronsInner), inner), size.after)),
          splats,
          run,
        ]),
      ),
    ];
  }

  /**
   * Values that do not change during a stage: constants, scalars, and those of `domain`, at
   * `index`.
   */
  function hold(
    { instructions }: Stage,
    domain: Buffer['domain'],
    index: Code,
    known: Held = new Map(),
  ): [Held, Code[]] {
    const held = new Map(known);
    const code = instructions.map((instruction) => {
      const { op } = instruction;
      if (op === 'scalar') held.set(instruction, scalars[instruction.index]);
      const value =
        op === 'load' && instruction.buffer.domain === domain
          ? [at(instruction.buffer, index), wasm.loadSplat()]
          : op === 'constant'
            ? wasm.splatConst(instruction.value)
            : undefined;
      if (!value || held.has(instruction)) return [];
      const target = local('v128');
      held.set(instruction, target);
      return assign(target, value);
    });
    return [held, code];
  }

  function printStage(stage: Stage): Code {
    const [held, code] = hold(stage, 'tensor', i32(0));
    const along = (start: Code, length: Code): Code =>
      inBlocks(stage, stage.sums, length, (from, part) =>
        segment(stage, held, part, (buffer) => at(buffer, plus(start, from)), stage.sums),
      );
    const body =
      stage.domain === 'tensor'
        ? along(i32(0), i32(1))
        : stage.domain === 'neuron'
          ? along(neuronStart, minus(neuronEnd, neuronStart))
          : form === 'columns'
            ? columns(stage, held)
            : runs(stage, held);
    return [code, body, sumsOf(stage, 'neuron').map(({ buffer }) => finish(buffer))];
  }

  const sweeps = plan.stages.filter(({ domain }) => domain !== 'tensor');
  const inOrder = isLocal(plan)
    ? [sweeps, ...plan.stages.filter(({ domain }) => domain === 'tensor').map((stage) => [stage])]
    : plan.stages.map((stage) => [stage]);
  const body = inOrder.map((stages) => [
    stages[0]?.domain === 'tensor'
      ? stages.map(printStage)
      : forLoop(blockStart, i32(0), size.neuronsInner, size.block, [
          assign(blockEnd, smaller(plus(get(blockStart), size.block), size.neuronsInner)),
          stages.map(printStage),
        ]),
    stages.flatMap((stage) => sumsOf(stage, 'tensor').map(({ buffer }) => finish(buffer))),
  ]);
  return encodeModule(locals, [opening, body], shared);
}
