/**
 * Element stages where neighbouring elements belong to neighbouring neurons: the loops combine rows
 * of the tensor with rows of neuron values.
 *
 * Sums of neurons are collected in float32 for at most `laneBlock` rows, then added to float64
 * accumulators.
 */
import { sumsOf, type Buffer } from './plan.js';
import {
  assign,
  clear,
  ifThen,
  increase,
  isLess,
  plus,
  quotient,
  remainder,
  times,
  whileLoop,
  zero,
} from './wasm-code.js';
import { accumulate, type KernelFrame } from './wasm-frame.js';
import * as wasm from './wasm-instructions.js';
import type { Code } from './wasm-instructions.js';
import { laneBlock, printSegment, type SweepContext } from './wasm-segment.js';

/** Rows that a loop takes at once. */
const rowsAtOnce = 2;

/** Adds the float32 accumulator of a neuron's sum to its float64 accumulator. */
function flush(frame: KernelFrame, sum: Buffer, neuron: Code): Code {
  const partial = frame.partial(sum, neuron);
  return [
    accumulate(frame.accumulator(sum, neuron), [[partial, wasm.f32Load]]),
    partial,
    wasm.f32Const(0),
    wasm.f32Store,
  ];
}

export function printColumns(context: SweepContext): Code {
  const { frame, stage } = context;
  const { before, neuronsOuter, between, neuronsInner, neurons } = frame.sizes;
  const neuronSums = sumsOf(stage, 'neuron');
  /** Counts the rows of one step of the outer neuron axis, and those since the last flush. */
  const [row, collected] = [frame.local(), frame.local()];
  const flushAll = neuronSums.map(({ buffer }) =>
    frame.each(zero, neurons, (neuron) => flush(frame, buffer, neuron)),
  );
  const flushIfFull = ifThen(isLess(wasm.i32Const(laneBlock - rowsAtOnce), wasm.get(collected)), [
    flushAll,
    assign(collected, zero),
  ]);

  /** The first element of the row that is `k` rows ahead. */
  const startOf = (k: number, outer: Code): Code => {
    const index = plus(wasm.get(row), wasm.i32Const(k));
    const block = plus(times(quotient(index, between), neuronsOuter), outer);
    return times(plus(times(block, between), remainder(index, between)), neuronsInner);
  };
  /**
   * Takes `rows` rows at once while there are as many. The rows of one `outer` belong to the same
   * neurons, so that those taken at once share the work on neuron values.
   */
  const takeRows = (rows: number, outer: Code): Code => {
    const firstNeuron = times(outer, neuronsInner);
    const starts = Array.from({ length: rows }, () => frame.local());
    const segment = printSegment({
      ...context,
      length: neuronsInner,
      indexOf: ({ domain }, from, k) =>
        plus(domain === 'neuron' ? firstNeuron : wasm.get(starts[k]), from),
      memorySums: neuronSums,
      rows,
    });
    const last = plus(wasm.get(row), wasm.i32Const(rows - 1));
    return whileLoop(isLess(last, times(before, between)), [
      starts.map((start, k) => assign(start, startOf(k, outer))),
      segment,
      increase(row, wasm.i32Const(rows)),
      increase(collected, wasm.i32Const(rows)),
      neuronSums.length > 0 ? flushIfFull : [],
    ]);
  };

  return [
    // Both kinds of accumulators stand together.
    neuronSums.map(({ buffer }) =>
      clear(frame.accumulator(buffer, zero), times(neurons, wasm.i32Const(12))),
    ),
    assign(collected, zero),
    frame.each(zero, neuronsOuter, (outer) => [
      assign(row, zero),
      takeRows(rowsAtOnce, outer),
      takeRows(1, outer),
    ]),
    flushAll,
  ];
}
