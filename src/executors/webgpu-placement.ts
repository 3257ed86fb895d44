/** Where the buffers of plans are in an arena. */
import type { Buffer, Plan } from '../compiler/plan.js';
import { cutPlan, wordsOf, type Pass } from '../compiler/print-wgsl.js';
import { getOrMake } from '../get-or-make.js';
import type { Reading } from './executor.js';
import type { Arena, Place } from './webgpu-arena.js';
import type { ArenaJob, PlanRun } from './webgpu-command-plan.js';

/** The readings of the jobs of an arena, one after the other. */
export type PlacedReadings = {
  readonly place: Place;
  readonly entries: Reading['entries'][number][];
};

const passes = new WeakMap<Plan, readonly Pass[]>();

export const passesOf = (plan: Plan): readonly Pass[] =>
  getOrMake(passes, plan, () => cutPlan(plan));

/** The place of the step-wide factor. */
export const scalePlace = (arena: Arena): Place => arena.scratch('gradientScale', 1);

/** Allocates the readings of some jobs, if they have any. */
function allocateReadings(arena: Arena, jobs: readonly ArenaJob[]): PlacedReadings | undefined {
  let words = 0;
  for (const { plan, layout } of jobs) {
    for (const buffer of plan.buffers)
      if (buffer.role === 'reading') words += wordsOf(plan, buffer, layout);
  }
  if (words === 0) return undefined;
  return { place: { ...arena.scratch('readings', words), words }, entries: [] };
}

/** Places a reading behind those that have their place already. */
function placeReading(
  { place, entries }: PlacedReadings,
  { variable, plan, layout }: ArenaJob,
  buffer: Buffer,
): number {
  const last = entries.at(-1);
  const at = last ? last.at + last.length : 0;
  const length = wordsOf(plan, buffer, layout);
  entries.push({ variable: variable.name, name: buffer.name, at, length });
  return place.offset + at;
}

/** Places the buffers of a job's plan; its readings take the next words of `readings`. */
function placeBuffers(arena: Arena, job: ArenaJob, readings: PlacedReadings | undefined): number[] {
  const { variable, slots, plan, layout } = job;
  const hasOneSweep = passesOf(plan).filter(({ kind }) => kind === 'sweep').length === 1;
  let elementBuffers = 0;
  const scratchName = ({ name, domain }: Buffer): string =>
    // Variables share the memory of whole intermediate tensors: these are dead when the next
    // variable's dispatch begins. But a second sweep follows the first sweeps of all variables.
    domain === 'element' && hasOneSweep
      ? `element ${elementBuffers++}`
      : `${variable.id} ${plan.name} ${name}`;
  return plan.buffers.map((buffer) => {
    switch (buffer.role) {
      case 'variable':
      case 'gradient':
        return 0;
      case 'slot':
        return slots[buffer.name].place.offset;
      case 'stepWide':
        return scalePlace(arena).offset;
      case 'reading':
        return placeReading(readings!, job, buffer);
      default:
        return arena.scratch(scratchName(buffer), wordsOf(plan, buffer, layout)).offset;
    }
  });
}

/** Places all that the jobs of these indices use in an arena. */
export function placeJobs(arena: Arena, jobs: readonly ArenaJob[], indices: readonly number[]) {
  const readings = allocateReadings(
    arena,
    indices.map((index) => jobs[index]),
  );
  const runs = indices.map((index): PlanRun => {
    const { plan, layout } = jobs[index];
    return { job: index, plan, layout, offsets: placeBuffers(arena, jobs[index], readings) };
  });
  return { runs, readings };
}
