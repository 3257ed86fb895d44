/** From the jobs of a step to the commands that run them. */
import type { Plan } from '../compiler/plan.js';
import { groupsOf } from '../compiler/print-wgsl.js';
import { getOrMake } from '../get-or-make.js';
import type { Arena, Arenas } from './webgpu-arena.js';
import type { ArenaJob, CommandPlan, PlanRun } from './webgpu-command-plan.js';
import type { CommandWriter, RunGroup } from './webgpu-command-writer.js';
import { passesOf, placeJobs, scalePlace, type PlacedReadings } from './webgpu-placement.js';

/**
 * Plans a step: first the step-wide stage; then each arena's jobs get their places; then all passes
 * are written in phases.
 */
export function planCommands(
  jobs: readonly ArenaJob[],
  stepWide: Plan | undefined,
  arenas: Arenas,
  writer: CommandWriter,
): CommandPlan {
  // Holds the step-wide values, and the intermediate values of jobs without slots.
  const anyArena = arenas.withRoomFor(0, 'a step');
  if (stepWide) writeStepWide(writer, anyArena, jobs, stepWide);
  const groups: RunGroup[] = [];
  const readings: CommandPlan['readings'][number][] = [];
  const arenaOf = (job: number): Arena =>
    Object.values(jobs[job].slots)[0]?.place.arena ?? anyArena;
  for (const [arena, members] of groupBy([...jobs.keys()], arenaOf)) {
    if (stepWide && arena !== anyArena) writer.copy(scalePlace(anyArena), scalePlace(arena));
    const placed = placeJobs(arena, jobs, members);
    for (const [plan, runs] of groupBy(placed.runs, (run) => run.plan))
      groups.push({ arena, plan, runs });
    // The step-wide factor is read once, with the readings of the first arena that has any.
    const scaleArena = stepWide && readings.length === 0 ? anyArena : undefined;
    if (placed.readings) readings.push(readingsOf(placed.readings, scaleArena));
  }
  writePhases(writer, groups);
  const words = writer.parameters();
  const { actions, scalars } = writer;
  return { jobs, stepWide, actions, scalars, readings, words };
}

/** The step-wide plan: a sweep over every gradient, then one combine of all their partial sums. */
function writeStepWide(
  writer: CommandWriter,
  arena: Arena,
  jobs: readonly ArenaJob[],
  plan: Plan,
): void {
  const [sweep, combine] = passesOf(plan);
  // The partial sums of the jobs are contiguous; a job's begin where those before it end.
  const starts: number[] = [];
  let partialSums = 0;
  for (const { layout } of jobs) {
    starts.push(partialSums);
    partialSums += groupsOf(plan, layout);
  }
  const isSum = plan.buffers.map(({ role }) => role === 'sum');
  const offsets = plan.buffers.map(({ name }, i) => {
    const place = isSum[i] ? arena.scratch(`total ${name}`, 1 + partialSums) : scalePlace(arena);
    return place.offset;
  });
  const runs = jobs.map(({ layout }, job): PlanRun => {
    const own = offsets.map((offset, i) => (isSum[i] ? offset + starts[job] : offset));
    return { job, plan, layout, offsets: own };
  });
  writer.sweep({ arena, plan, runs }, sweep);
  const total: PlanRun = { job: 0, plan, layout: jobs[0].layout, offsets, partialSums };
  writer.combine(arena, [{ arena, plan, runs: [total], pass: combine }]);
}

/** The first passes of all plans, then the second ones, and so on: sweeps before combines. */
function writePhases(writer: CommandWriter, groups: readonly RunGroup[]): void {
  const phases = Math.max(...groups.map(({ plan }) => passesOf(plan).length));
  for (let phase = 0; phase < phases; phase++) {
    const present = groups
      .map((group) => ({ ...group, pass: passesOf(group.plan)[phase] }))
      .filter(({ pass }) => pass);
    for (const { pass, ...group } of present) if (pass.kind === 'sweep') writer.sweep(group, pass);
    const combines = present.filter(({ pass }) => pass.kind === 'combine');
    for (const [arena, combined] of groupBy(combines, (group) => group.arena))
      writer.combine(arena, combined);
  }
}

/** The readings of an arena, and after them the step-wide factor if its arena is given. */
function readingsOf(
  { place, entries }: PlacedReadings,
  scaleArena: Arena | undefined,
): CommandPlan['readings'][number] {
  if (!scaleArena) return { places: [place], entries };
  return {
    places: [place, scalePlace(scaleArena)],
    entries: [...entries, { name: 'gradientScale', at: place.words, length: 1 }],
  };
}

function groupBy<T, K>(values: readonly T[], keyOf: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of values) getOrMake(groups, keyOf(value), (): T[] => []).push(value);
  return groups;
}
