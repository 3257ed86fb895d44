/**
 * The wasm printer: a plan as one WebAssembly function over four lanes of float32.
 *
 * The kernel gets the address of a record: sizes, then a pointer for each buffer of the plan, then the scalars. Element
 * stages come in three forms. `flat`: the rule has no neurons, the tensor is one row. `columns`: neighbouring elements
 * belong to neighbouring neurons, a row of the tensor meets a row of neuron values. `runs`: neighbouring elements belong
 * to one neuron; where the neurons are the leading axis, all stages run over a block of neurons before the next block,
 * so that the second sweep finds its data in the cache.
 *
 * Sums are blocked: a float32 lane adds at most 64 terms, float64 goes on from there.
 */
import type { Buffer, Instruction, Plan, Stage } from './plan.js';
import type { Layout } from './layout.js';
import { assign, forLoop, ifThen, minus, plus, quotient, remainder, shiftLeft, smaller, times, wasm, whileLoop, type Code } from './wasm-code.js';
import { encodeModule, type ValueType } from './wasm-module.js';

export type Form = 'flat' | 'columns' | 'runs';

/** Terms that one float32 accumulation may add; a power of two. 64 equal terms are at most 9.8e-7 off, 256 already 3.8e-6. */
const laneBlock = 64;
/** Rows that columns take at once. */
const rowsAtOnce = 2;
/** Elements of a block of neurons: the data of an optimizer step then fit a second-level cache. */
const cacheBlock = 8192;

const sizes = ['size', 'before', 'neuronsOuter', 'between', 'neuronsInner', 'after', 'neurons', 'block'] as const;
type Size = (typeof sizes)[number];

export const formOf = (plan: Plan, layout: Layout): Form =>
  plan.buffers.every(({ domain }) => domain !== 'neuron') ? 'flat' : layout.after === 1 ? 'columns' : 'runs';

/** Where things stand in a kernel's record, in words of four bytes. */
export const recordOf = (plan: Plan) => ({
  pointers: sizes.length,
  scalars: sizes.length + plan.buffers.length,
  words: sizes.length + plan.buffers.length + plan.scalars.length,
});

/** Neurons that all stages finish before the next ones begin. */
function blockOf(plan: Plan, layout: Layout): number {
  const leading = layout.before === 1 && layout.neuronsOuter === 1;
  return formOf(plan, layout) === 'runs' && leading && isLocal(plan) ? Math.max(1, Math.floor(cacheBlock / Math.max(1, layout.after))) : layout.neuronsInner;
}

/** The sizes at the head of a record. */
export const recordSizes = (plan: Plan, layout: Layout): number[] => sizes.map((name) => (name === 'block' ? blockOf(plan, layout) : layout[name]));

/** Bytes of a buffer: a sum has its float32 value, then float64 accumulators, then the float32 accumulators of columns. */
export function bytesOf(plan: Plan, buffer: Buffer, layout: Layout): number {
  if (buffer.role === 'scratch' && buffer.domain === 'element' && formOf(plan, layout) === 'runs') return 4 * Math.min(layout.size, Math.max(blockOf(plan, layout) * layout.after, layout.before * layout.neuronsOuter > 1 ? layout.size : 0));
  const count = buffer.domain === 'element' ? layout.size : buffer.domain === 'neuron' ? layout.neurons : 1;
  return buffer.role === 'sum' ? 16 * count : 4 * count;
}

/** True if no sweep waits for a value of the whole tensor: then neurons can be finished one after the other. */
const isLocal = (plan: Plan): boolean =>
  plan.stages.every((stage) => stage.domain === 'tensor' || !stage.instructions.some((value) => value.op === 'load' && value.buffer.domain === 'tensor' && (value.buffer.role === 'sum' || value.buffer.role === 'scratch')));

/** Prints the plan's kernel. */
export function printWasm(plan: Plan, form: Form, shared: boolean): Uint8Array<ArrayBuffer> {
  const locals: ValueType[] = [];
  /** Parameter 0 is the record. */
  const local = (type: ValueType): number => locals.push(type);
  const { pointers, scalars } = recordOf(plan);
  const word = (index: number): Code => [wasm.get(0), wasm.i32Load(4 * index)];

  const size = Object.fromEntries(sizes.map((name) => [name, local('i32')])) as Record<Size, number>;
  const pointer = new Map(plan.buffers.map((buffer) => [buffer, local('i32')]));
  const scalar = plan.scalars.map(() => local('v128'));
  const neuronStart = local('i32');
  const neuronEnd = local('i32');
  const blockStart = local('i32');
  const blockEnd = local('i32');

  const get = wasm.get;
  const i32 = wasm.i32Const;
  const at = (buffer: Buffer, index: Code): Code => plus(get(pointer.get(buffer)!), shiftLeft(index, 2));

  // A neuron sum's region: values (4 bytes a neuron), accumulators (8), the accumulators of columns (4).
  const accumulators = (sum: Buffer): Code => (sum.domain === 'tensor' ? plus(get(pointer.get(sum)!), i32(8)) : at(sum, get(size.neurons)));
  const accumulator = (sum: Buffer, neuron: Code): Code => (sum.domain === 'tensor' ? accumulators(sum) : plus(accumulators(sum), shiftLeft(neuron, 3)));
  const partial = (sum: Buffer, neuron: Code): Code => at(sum, plus(times(get(size.neurons), i32(3)), neuron));

  const lanes = {
    vector: { load: wasm.load(), store: wasm.store(), bytes: 16 },
    lane: { load: wasm.loadLane(), store: wasm.storeLane(), bytes: 4 },
  };
  type Lanes = keyof typeof lanes;

  /**
   * Vectors that a loop takes at once: sums then have as many accumulators, which do not wait for each other. A loop that
   * also writes waits for the memory instead, and is faster with one.
   */
  const vectorsOf = ({ stores }: Stage, sums: Stage['sums']): number => (sums.length === 0 || stores.length > 0 ? 1 : sums.length <= 3 ? 4 : 2);

  /** Runs `body` over neighbouring values, in pieces that are short enough for `sums`. */
  function inBlocks(stage: Stage, sums: Stage['sums'], length: Code, body: (from: Code, length: Code) => Code, rows = 1): Code {
    if (sums.length === 0) return body(i32(0), length);
    const from = local('i32');
    const block = i32((laneBlock / rows) * 4 * vectorsOf(stage, sums));
    return forLoop(from, i32(0), length, block, body(get(from), smaller(minus(length, get(from)), block)));
  }

  /**
   * A loop over neighbouring values, in one row of the tensor or in several at once. `address` gives the start of a buffer
   * that is read along; others are in `held`.
   */
  function segment(stage: Stage, held: ReadonlyMap<Instruction, number>, length: Code, address: (buffer: Buffer, row: number) => Code, sums: {
    readonly register: Stage['sums'];
    readonly memory: Stage['sums'];
    readonly neuron: Code;
  }, rows = 1): Code {
    const offset = local('i32');
    const end = local('i32');
    const start = Array.from({ length: rows }, () => new Map<Buffer, number>());
    const startOf = (buffer: Buffer, row: number): number => start[row].get(buffer) ?? start[row].set(buffer, local('i32')).get(buffer)!;
    const partialStart = new Map(sums.memory.map(({ buffer }) => [buffer, local('i32')]));
    const width = vectorsOf(stage, sums.register);
    const registers = sums.register.map(() => Array.from({ length: width }, () => local('v128')));
    const isShared = (instruction: Instruction): boolean => instruction.op === 'load' && instruction.buffer.domain === 'neuron';
    const ofFirst = stage.instructions.map((instruction) => held.get(instruction) ?? local('v128'));
    const values = start.map((_, row) => (row === 0 ? ofFirst : stage.instructions.map((instruction, i) => (held.has(instruction) || isShared(instruction) ? ofFirst[i] : local('v128')))));
    const here = (base: number): Code => plus(get(base), get(offset));

    const body = (mode: Lanes, register: number): Code => {
      const { load, store } = lanes[mode];
      const code: Code[] = [];
      values.forEach((ofRow, row) => {
        stage.instructions.forEach((instruction, i) => {
          if (held.has(instruction) || (row > 0 && isShared(instruction))) return;
          if (instruction.op === 'load') code.push(here(startOf(instruction.buffer, row)), load);
          else if ('args' in instruction) code.push(operation(stage, instruction, ofRow));
          code.push(wasm.set(ofRow[i]));
        });
        for (const { buffer, value } of stage.stores) code.push(here(startOf(buffer, row)), get(ofRow[value]), store);
        sums.register.forEach(({ value }, i) => {
          const masked: Code = mode === 'lane' ? [wasm.firstLaneMask, wasm.and] : [];
          code.push(get(registers[i][register]), get(ofRow[value]), masked, wasm.add, wasm.set(registers[i][register]));
        });
      });
      for (const { buffer, value } of sums.memory) {
        const target = here(partialStart.get(buffer)!);
        const ofRows = values.map((ofRow, row) => [get(ofRow[value]), row > 0 ? wasm.add : []]);
        code.push(target, target, load, ofRows, wasm.add, store);
      }
      return code;
    };
    const loop = (mode: Lanes, count: number): Code => {
      const bytes = lanes[mode].bytes;
      const step = Array.from({ length: count }, (_, k) => [body(mode, k), assign(offset, plus(get(offset), i32(bytes)))]);
      return whileLoop([plus(get(offset), i32(count * bytes - 1)), get(end), wasm.i32LessUnsigned], step);
    };
    const loops = [width > 1 ? loop('vector', width) : [], loop('vector', 1), loop('lane', 1)];

    return [
      assign(end, shiftLeft(length, 2)),
      assign(offset, i32(0)),
      start.map((ofRow, row) => [...ofRow].map(([buffer, base]) => assign(base, address(buffer, row)))),
      [...partialStart].map(([buffer, base]) => assign(base, partial(buffer, sums.neuron))),
      registers.flat().map((register) => assign(register, wasm.splatConst(0))),
      loops,
      sums.register.map(({ buffer }, i) => flush(accumulator(buffer, sums.neuron), registers[i])),
    ];
  }

  /** Adds the lanes of registers to a float64 in memory. */
  const flush = (target: Code, registers: readonly number[]): Code => [
    target, target, wasm.f64Load(0),
    registers.map((register) => [0, 1, 2, 3].map((lane) => [get(register), wasm.extractLane(lane), wasm.f64Promote, wasm.f64Add])),
    wasm.f64Store(0),
  ];

  const operation = (stage: Stage, { op, args }: Extract<Instruction, { args: readonly number[] }>, values: readonly number[]): Code => {
    const [a, b, c] = args.map((arg) => get(values[arg]));
    if (op !== 'select') return [a, b ?? [], wasm[op]];
    const isZero = (arg: number): boolean => {
      const source = stage.instructions[arg];
      return source.op === 'constant' && Object.is(source.value, 0);
    };
    // v128.bitselect takes the condition last; processors have one instruction for a choice between a value and zero.
    if (isZero(args[2])) return [b, a, wasm.and];
    if (isZero(args[1])) return [c, a, wasm.andNot];
    return [b, c, a, wasm.bitselect];
  };

  /** Values that do not change during a stage: constants, scalars and values of the tensor. */
  function hold(stage: Stage): { held: Map<Instruction, number>; code: Code } {
    const held = new Map<Instruction, number>();
    const code: Code[] = [];
    for (const instruction of stage.instructions) {
      if (instruction.op === 'scalar') held.set(instruction, scalar[instruction.index]);
      const constant = instruction.op === 'constant';
      if (constant || (instruction.op === 'load' && instruction.buffer.domain === 'tensor')) {
        const target = local('v128');
        held.set(instruction, target);
        code.push(assign(target, constant ? wasm.splatConst(instruction.value) : [get(pointer.get(instruction.buffer)!), wasm.loadSplat()]));
      }
    }
    return { held, code };
  }

  const noSums = { register: [], memory: [], neuron: i32(0) };

  function elementStage(stage: Stage): Code {
    const { held, code } = hold(stage);
    if (form === 'flat') {
      const body = inBlocks(stage, stage.sums, get(size.size), (from, length) =>
        segment(stage, held, length, (buffer) => at(buffer, from), { ...noSums, register: stage.sums }));
      return [code, body];
    }

    const row = local('i32');
    const before = local('i32');
    const outer = local('i32');
    const between = local('i32');
    const neuron = local('i32');
    const element = local('i32');
    const neuronSums = stage.sums.filter(({ buffer }) => buffer.domain === 'neuron');
    const tensorSums = stage.sums.filter(({ buffer }) => buffer.domain === 'tensor');
    const neurons = minus(get(neuronEnd), get(neuronStart));
    const clearPartials = (buffer: Buffer): Code => [partial(buffer, i32(0)), i32(0), shiftLeft(get(size.neurons), 2), wasm.memoryFill];
    const clear = (buffer: Buffer): Code => [
      accumulator(buffer, get(neuronStart)), i32(0), times(neurons, i32(8)), wasm.memoryFill,
      form === 'columns' ? clearPartials(buffer) : [],
    ];
    const eachNeuron = (body: Code): Code => forLoop(neuron, get(neuronStart), get(neuronEnd), i32(1), body);
    const finish = (buffer: Buffer): Code => eachNeuron([at(buffer, get(neuron)), accumulator(buffer, get(neuron)), wasm.f64Load(0), wasm.f32Demote, wasm.f32Store(0)]);

    if (form === 'columns') {
      // The float32 sums of some rows go over to float64, two neurons at a time.
      const gather = neuronSums.map(({ buffer }) => {
        const here = get(neuron);
        const next = plus(here, i32(1));
        return [
          assign(neuron, get(neuronStart)),
          whileLoop([next, get(neuronEnd), wasm.i32LessUnsigned], [
            accumulator(buffer, here), accumulator(buffer, here), wasm.load(),
            partial(buffer, here), wasm.pairLoad, wasm.pairPromote, wasm.pairAdd, wasm.store(),
            assign(neuron, plus(next, i32(1))),
          ]),
          ifThen([here, get(neuronEnd), wasm.i32LessUnsigned], [
            accumulator(buffer, here), accumulator(buffer, here), wasm.f64Load(0),
            partial(buffer, here), wasm.f32Load(0), wasm.f64Promote, wasm.f64Add, wasm.f64Store(0),
          ]),
          clearPartials(buffer),
        ];
      });
      const firstNeuron = times(get(outer), get(size.neuronsInner));
      // The rows of one `outer` meet the same neurons: several at once share the work on neuron values.
      const inOuter = local('i32');
      const waiting = local('i32');
      const rowsOfOuter = times(get(size.before), get(size.between));
      const rowAt = (index: Code): Code => plus(times(plus(times(quotient(index, get(size.between)), get(size.neuronsOuter)), get(outer)), get(size.between)), remainder(index, get(size.between)));
      const someRows = (count: number): Code => {
        const rows = Array.from({ length: count }, () => local('i32'));
        return whileLoop([plus(get(inOuter), i32(count - 1)), rowsOfOuter, wasm.i32LessUnsigned], [
          rows.map((target, k) => assign(target, rowAt(plus(get(inOuter), i32(k))))),
          inBlocks(stage, tensorSums, get(size.neuronsInner), (from, length) =>
            segment(stage, held, length,
              (buffer, k) => at(buffer, plus(buffer.domain === 'neuron' ? firstNeuron : times(get(rows[k]), get(size.neuronsInner)), from)),
              { register: tensorSums, memory: neuronSums, neuron: plus(firstNeuron, from) }, count), count),
          assign(inOuter, plus(get(inOuter), i32(count))),
          assign(waiting, plus(get(waiting), i32(count))),
          gather.length > 0 ? ifThen([i32(laneBlock - rowsAtOnce), get(waiting), wasm.i32LessUnsigned], [gather, assign(waiting, i32(0))]) : [],
        ]);
      };
      return [
        code, neuronSums.map(({ buffer }) => clear(buffer)), assign(waiting, i32(0)),
        forLoop(outer, i32(0), get(size.neuronsOuter), i32(1), [assign(inOuter, i32(0)), someRows(rowsAtOnce), someRows(1)]),
        gather, neuronSums.map(({ buffer }) => finish(buffer)),
      ];
    }

    // A run: values of its neuron are splat once.
    const runHeld = new Map(held);
    const splats: Code[] = [];
    for (const instruction of stage.instructions) {
      if (instruction.op === 'load' && instruction.buffer.domain === 'neuron') {
        const target = local('v128');
        runHeld.set(instruction, target);
        splats.push(assign(target, [at(instruction.buffer, get(neuron)), wasm.loadSplat()]));
      }
    }
    const inner = local('i32');
    // Scratch holds one block of neurons, which stays in the cache between the sweeps.
    const blockElement = local('i32');
    const run = [
      assign(neuron, plus(times(get(outer), get(size.neuronsInner)), get(inner))),
      assign(element, times(plus(times(get(row), get(size.neuronsInner)), get(inner)), get(size.after))),
      splats,
      inBlocks(stage, stage.sums, get(size.after), (from, length) =>
        segment(stage, runHeld, length, (buffer) => at(buffer, minus(plus(get(element), from), buffer.role === 'scratch' ? get(blockElement) : i32(0))), { ...noSums, register: stage.sums, neuron: get(neuron) })),
    ];
    const rowBody = [forLoop(inner, get(blockStart), get(blockEnd), i32(1), run), assign(row, plus(get(row), i32(1)))];
    return [
      code, neuronSums.map(({ buffer }) => clear(buffer)), assign(row, i32(0)), assign(blockElement, times(get(blockStart), get(size.after))),
      forLoop(before, i32(0), get(size.before), i32(1), forLoop(outer, i32(0), get(size.neuronsOuter), i32(1), forLoop(between, i32(0), get(size.between), i32(1), rowBody))),
      neuronSums.map(({ buffer }) => finish(buffer)),
    ];
  }

  function neuronStage(stage: Stage): Code {
    const { held, code } = hold(stage);
    const body = inBlocks(stage, stage.sums, minus(get(neuronEnd), get(neuronStart)), (from, length) =>
      segment(stage, held, length, (buffer) => at(buffer, plus(get(neuronStart), from)), { ...noSums, register: stage.sums }));
    return [code, body];
  }

  const tensorStage = (stage: Stage): Code => {
    const { held, code } = hold(stage);
    return [code, segment(stage, held, i32(1), (buffer) => get(pointer.get(buffer)!), noSums)];
  };

  const finishTensorSums = (stage: Stage): Code => stage.sums.filter(({ buffer }) => buffer.domain === 'tensor')
    .map(({ buffer }) => [get(pointer.get(buffer)!), accumulator(buffer, []), wasm.f64Load(0), wasm.f32Demote, wasm.f32Store(0)]);

  const sweeps = plan.stages.filter(({ domain }) => domain !== 'tensor');
  const printSweep = (stage: Stage): Code => (stage.domain === 'element' ? elementStage(stage) : neuronStage(stage));
  const block = (end: Code, body: Code): Code => [
    assign(blockEnd, end),
    assign(neuronStart, get(blockStart)),
    assign(neuronEnd, times(get(blockEnd), get(size.neuronsOuter))),
    body,
  ];
  const body = isLocal(plan)
    ? [
        forLoop(blockStart, i32(0), get(size.neuronsInner), get(size.block),
          block(smaller(plus(get(blockStart), get(size.block)), get(size.neuronsInner)), sweeps.map(printSweep))),
        sweeps.map(finishTensorSums),
        plan.stages.filter(({ domain }) => domain === 'tensor').map(tensorStage),
      ]
    : block(get(size.neuronsInner), plan.stages.map((stage) => [
        stage.domain === 'tensor' ? tensorStage(stage) : printSweep(stage),
        finishTensorSums(stage),
      ]));

  const code = [
    sizes.map((name, i) => assign(size[name], word(i))),
    [...pointer.values()].map((target, i) => assign(target, word(pointers + i))),
    scalar.map((target, i) => assign(target, [get(0), wasm.loadSplat(4 * (scalars + i))])),
    plan.buffers.filter(({ role, domain }) => role === 'sum' && domain === 'tensor')
      .map((buffer) => [accumulators(buffer), i32(0), i32(8), wasm.memoryFill]),
    body,
  ];
  return encodeModule(locals, code, shared);
}
