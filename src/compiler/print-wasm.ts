/**
 * The WebAssembly printer: a plan as one function over vectors of four float32.
 *
 * The function gets the address of a parameter block (wasm-memory.ts) and copies it to locals
 * (wasm-frame.ts). Each stage of the plan becomes a loop nest: element stages as `columns`
 * (wasm-columns.ts) or `runs` (wasm-runs.ts), whose innermost loop is a segment of neighbouring
 * values (wasm-segment.ts); stages over neurons, and of single values, are one segment. Where the
 * neurons are the leading axis, all stages run over a block of neurons before the next block, so
 * that the second sweep finds its data in the cache.
 *
 * The kernel of AdamW is one segment: load w, g, m and v, compute, store w, m and v.
 *
 * Sums are blocked: a float32 lane adds at most 64 terms, which are then added in float64. Tensor
 * sums accumulate into existing memory; the caller must zero it first.
 */
import { sumsOf, type Buffer, type Plan, type Stage } from './plan.js';
import { assign, forLoop, minus, one, plus, smaller, zero } from './wasm-code.js';
import * as wasm from './wasm-instructions.js';
import type { Code } from './wasm-instructions.js';
import { printColumns } from './wasm-columns.js';
import { KernelFrame } from './wasm-frame.js';
import { isLocal, type LoopOrder } from './wasm-memory.js';
import { printRuns } from './wasm-runs.js';
import { printSegment, type SweepContext } from './wasm-segment.js';

export {
  bytesOf,
  layoutSizes,
  loopOrderOf,
  parameterBlockOf,
  type LoopOrder,
} from './wasm-memory.js';

/** Prints the plan's kernel. */
export function printWasm(plan: Plan, order: LoopOrder, shared: boolean): Uint8Array<ArrayBuffer> {
  const frame = new KernelFrame(plan);
  const { blockStart, blockEnd, neuronStart } = frame;
  const { block, neuronsInner } = frame.sizes;
  const print = (stage: Stage): Code => printStage(frame, stage, order);
  const inBlocks = (stages: readonly Stage[]): Code =>
    forLoop(blockStart, zero, neuronsInner, block, [
      assign(blockEnd, smaller(plus(neuronStart, block), neuronsInner)),
      stages.map(print),
    ]);
  const body = together(plan).map((stages) => [
    stages[0]?.domain === 'tensor' ? stages.map(print) : inBlocks(stages),
    stages.map((stage) => finishSums(frame, stage, 'tensor')),
  ]);
  return frame.encode(body, shared);
}

/** The plan's stages in groups that a block of neurons goes through together. */
function together(plan: Plan): Stage[][] {
  if (!isLocal(plan)) return plan.stages.map((stage) => [stage]);
  const sweeps = plan.stages.filter(({ domain }) => domain !== 'tensor');
  const single = plan.stages.filter(({ domain }) => domain === 'tensor');
  return [sweeps, ...single.map((stage) => [stage])];
}

function printStage(frame: KernelFrame, stage: Stage, order: LoopOrder): Code {
  const { hoisted, code } = frame.hoist(stage, 'tensor', zero);
  const loops = printLoops({ frame, stage, hoisted }, order);
  return [code, loops, finishSums(frame, stage, 'neuron')];
}

function printLoops(context: SweepContext, order: LoopOrder): Code {
  const { frame, stage } = context;
  const { neuronStart, neuronEnd } = frame;
  const along = (start: Code, length: Code): Code =>
    printSegment({
      ...context,
      length,
      indexOf: (_, from) => plus(start, from),
    });
  if (stage.domain === 'tensor') return along(zero, one);
  if (stage.domain === 'neuron') return along(neuronStart, minus(neuronEnd, neuronStart));
  return order === 'columns' ? printColumns(context) : printRuns(context);
}

/** Rounds the float64 accumulators of a stage's sums to their float32 results. */
function finishSums(frame: KernelFrame, stage: Stage, domain: 'neuron' | 'tensor'): Code {
  const finish = (sum: Buffer, index: Code): Code => [
    frame.at(sum, index),
    frame.accumulator(sum, index),
    wasm.f64Load,
    wasm.f32Demote,
    wasm.f32Store,
  ];
  return sumsOf(stage, domain).map(({ buffer }) =>
    domain === 'tensor'
      ? finish(buffer, zero)
      : frame.each(frame.neuronStart, frame.neuronEnd, (neuron) => finish(buffer, neuron)),
  );
}
