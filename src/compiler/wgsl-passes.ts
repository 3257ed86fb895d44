/** The compute passes of a plan. */
import { loadsOf, sumsOf, writesOf, type Buffer, type Plan, type Stage } from './plan.js';

export type Pass = {
  readonly kind: 'sweep' | 'combine';
  readonly stages: readonly Stage[];
  /** Sums of the tensor that the pass leaves in parts (a sweep) or adds up (a combine). */
  readonly totals: readonly Buffer[];
};

/** Cuts a plan into passes: wherever a sweep needs a value of the whole tensor. */
export function cutPlan({ stages }: Plan): Pass[] {
  const sections: Stage[][] = [[]];
  for (const stage of stages) {
    const section = sections.at(-1)!;
    if (mustWait(stage, section)) sections.push([stage]);
    else section.push(stage);
  }
  return sections.flatMap(passesOf);
}

/** True of a sweep that reads a value of the tensor which one of the stages before it computes. */
function mustWait(stage: Stage, before: readonly Stage[]): boolean {
  const written = before.flatMap(writesOf);
  return (
    stage.domain !== 'tensor' &&
    loadsOf(stage).some((buffer) => buffer.domain === 'tensor' && written.includes(buffer))
  );
}

/** One sweep over elements and neurons, then one computation of single values. */
function passesOf(section: readonly Stage[]): Pass[] {
  const sweep = section.filter(({ domain }) => domain !== 'tensor');
  const single = section.filter(({ domain }) => domain === 'tensor');
  const totals = sweep.flatMap((stage) => sumsOf(stage, 'tensor')).map(({ buffer }) => buffer);
  const passes: Pass[] = [];
  if (sweep.length > 0) passes.push({ kind: 'sweep', stages: sweep, totals });
  if (single.length + totals.length > 0) passes.push({ kind: 'combine', stages: single, totals });
  return passes;
}
