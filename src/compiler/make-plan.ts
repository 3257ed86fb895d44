/**
 * From expressions to a plan: which values are computed in which sweep over the data.
 *
 * A value that a later stage needs is computed once and kept in scratch memory. The compiler keeps
 * the author's order of sums and operations, and merges common subexpressions. This module knows no
 * backend.
 */
import { compileHost } from './evaluate.js';
import type { Expression } from './expression.js';
import { mergeEqual } from './merge-equal.js';
import { loadsOf, writesOf, type Buffer, type Plan } from './plan.js';
import { firstStage, isHost, roundLength, stageOrder } from './stage-order.js';
import { StageWriter, type Root } from './stage-writer.js';

/** The expression whose value a buffer gets. */
export type Output = { readonly buffer: Buffer; readonly value: Expression };

/**
 * Makes the plan that gives each output's buffer its value; `inputs` are the buffers of the
 * expressions' inputs by name.
 */
export function makePlan(
  name: string,
  inputs: Readonly<Record<string, Buffer>>,
  outputs: readonly Output[],
): Plan {
  const { stageOf, readerOf } = stageOrder();
  const merge = mergeEqual();
  const outputRoots = outputs.map(({ buffer, value }): Root => {
    checkOutput(name, buffer, value);
    const node = merge(value);
    return { buffer, node, stage: readerOf(node, buffer.domain) };
  });
  const inputOf = ({ name: input }: Expression): Buffer => {
    const buffer = inputs[input!];
    if (!buffer)
      throw new Error(
        `rule ${name}: there is no input called '${input}', ` +
          `known are ${Object.keys(inputs).join(', ')}`,
      );
    return buffer;
  };

  // A buffer must not be overwritten before its last reader; to move a store to a later stage can
  // add readers of other buffers.
  for (;;) {
    const writer = new StageWriter(outputRoots, inputOf, stageOf);
    const stages = writer.write();
    const { scalars, lastRead } = writer;
    const early = outputRoots.filter(({ buffer, stage }) => lastRead.get(buffer)! > stage);
    if (early.length === 0) {
      const buffers = new Set(stages.flatMap((stage) => [...loadsOf(stage), ...writesOf(stage)]));
      return { name, scalars, writeScalars: compileHost(scalars), buffers: [...buffers], stages };
    }
    for (const root of early) {
      const stagesLate = lastRead.get(root.buffer)! - root.stage;
      root.stage += roundLength * Math.ceil(stagesLate / roundLength);
    }
  }
}

function checkOutput(name: string, buffer: Buffer, value: Expression): void {
  if (value?.type !== 'number')
    throw new Error(
      `rule ${name}: ${buffer.name} must become a number expression, ` +
        `got ${value?.type ?? String(value)}`,
    );
  if (!isHost(value) && firstStage(value.domain) < firstStage(buffer.domain))
    throw new Error(
      `rule ${name}: ${buffer.name} has one value per ${buffer.domain}, ` +
        `got an expression that varies over ${value.domain}`,
    );
}
