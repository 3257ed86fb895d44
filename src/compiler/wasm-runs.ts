/**
 * Element stages where neighbouring elements belong to one neuron: each neuron has runs of them,
 * over which its values do not change.
 */
import { sumsOf } from './plan.js';
import { assign, clear, minus, plus, quotient, remainder, times, zero } from './wasm-code.js';
import * as wasm from './wasm-instructions.js';
import type { Code } from './wasm-instructions.js';
import { printSegment, type SweepContext } from './wasm-segment.js';

export function printRuns({ frame, stage, hoisted: known }: SweepContext): Code {
  const { before, neuronsOuter, between, neuronsInner, after } = frame.sizes;
  const { neuronStart, neuronEnd, blockStart, blockEnd } = frame;
  const [neuron, element] = [frame.local(), frame.local()];
  const { hoisted, code } = frame.hoist(stage, 'neuron', wasm.get(neuron), known);
  const run = printSegment({
    frame,
    stage,
    hoisted,
    length: after,
    // Scratch memory holds one block of neurons, which stays in the cache between the sweeps.
    indexOf: ({ role }, from) =>
      minus(plus(wasm.get(element), from), role === 'scratch' ? times(neuronStart, after) : zero),
    neuron: wasm.get(neuron),
  });
  const runOf = (row: Code, inner: Code): Code => {
    const outer = remainder(quotient(row, between), neuronsOuter);
    return [
      assign(neuron, plus(times(outer, neuronsInner), inner)),
      assign(element, times(plus(times(row, neuronsInner), inner), after)),
      code,
      run,
    ];
  };
  return [
    sumsOf(stage, 'neuron').map(({ buffer }) =>
      clear(
        frame.accumulator(buffer, neuronStart),
        times(minus(neuronEnd, neuronStart), wasm.i32Const(8)),
      ),
    ),
    frame.each(zero, times(times(before, neuronsOuter), between), (row) =>
      frame.each(wasm.get(blockStart), wasm.get(blockEnd), (inner) => runOf(row, inner)),
    ),
  ];
}
