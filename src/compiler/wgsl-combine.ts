/**
 * Combine passes: one workgroup for each variable adds up its partial sums and computes the stages
 * of single values.
 */
import type { Plan, Stage } from './plan.js';
import {
  declare,
  entryPoint,
  header,
  inArena,
  readParameters,
  store,
  type Place,
} from './wgsl-code.js';
import { blockWords, workgroupSize } from './wgsl-memory.js';
import type { Pass } from './wgsl-passes.js';

/** A combine pass and the number of variables that take it. */
export type Combine = { readonly plan: Plan; readonly pass: Pass; readonly variables: number };

/**
 * Prints combine passes as one. The variables' parameter blocks follow each other, as the passes
 * do.
 */
export function printCombine(combines: readonly Combine[]): string {
  const branches: string[] = [];
  let [workgroup, word] = [0, 0];
  for (const combine of combines) {
    branches.push(printBranch(combine, workgroup, word));
    workgroup += combine.variables;
    word += combine.variables * blockWords(combine.plan);
  }
  const mostTotals = Math.max(1, ...combines.map(({ pass }) => pass.totals.length));
  return `${header(mostTotals)}\n${entryPoint(branches.join('\n'))}`;
}

/** The work of the workgroups from `first` on; their parameter blocks begin at `word`. */
function printBranch({ plan, pass, variables }: Combine, first: number, word: number): string {
  const place: Place = (buffer) => inArena(plan, buffer);
  const base = `${word} + (id.x - ${first}) * ${blockWords(plan)}`;
  const partials = pass.totals.map(
    (buffer, s) => `sums[${s}] += ${inArena(plan, buffer, ' + 1 + k')};`,
  );
  const printStage = (stage: Stage): string => `{
${declare(stage, place)}
${store(stage, place)}
}`;
  return `if (id.x >= ${first} && id.x < ${first + variables}) {
${readParameters(plan, base)}
var sums: Sums;
for (var k = thread; k < groups; k += ${workgroupSize}u) { ${partials.join(' ')} }
let all = total(sums, thread, thread, ${workgroupSize}u, 1u);
if (thread == 0) {
${pass.totals.map((buffer, s) => `${place(buffer)} = all[${s}];`).join('\n')}
${pass.stages.map(printStage).join('\n')}
}
}`;
}
