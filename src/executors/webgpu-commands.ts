/**
 * What a step on a given list of jobs encodes: dispatches, their records, and where everything
 * stands in the arenas.
 */
import type { Layout } from '../compiler/layout.js';
import { hasNeurons, type Buffer, type Plan } from '../compiler/plan.js';
import {
  cutPlan,
  groupsOf,
  printCombine,
  printSweep,
  scalarsAt,
  tileOf,
  wgslSizes,
  wordsOf,
  type Pass,
} from '../compiler/print-wgsl.js';
import { getOrMake } from '../get-or-make.js';
import type { Job, Reading, Slot } from './executor.js';
import type { Arena, Place } from './webgpu-arena.js';
import type { Pipeline } from './webgpu-pipelines.js';

export type ArenaSlot = Slot & { readonly place: Place };

/**
 * Variables of one element-wise dispatch: with arena and records, three weights and three gradients
 * make 8 storage buffers.
 */
const width = 3;

export type Dispatch = {
  readonly pipeline: Pipeline;
  readonly arena: Arena;
  /** Where its records stand among the step's, in words. */
  readonly records: number;
  readonly groups: readonly [number, number, number];
  /** The jobs whose weights and gradients it binds. */
  readonly weights: readonly number[];
  readonly gradients: readonly number[];
  /** The bind group of all but the gradients, while its buffers stay the same. */
  stable?: {
    readonly arena: GPUBuffer;
    readonly weights: readonly GPUBuffer[];
    readonly group: GPUBindGroup;
  };
};

export type Copy = { readonly from: Place; readonly to: Place };

export type CommandPlan = {
  readonly jobs: readonly Job<ArenaSlot>[];
  readonly stepWide: Plan | undefined;
  readonly actions: readonly (Dispatch | Copy)[];
  /**
   * Which plan's scalars begin at which word, and whose values they have, unless the plan is the
   * step-wide one.
   */
  readonly scalars: readonly {
    readonly plan: Plan;
    readonly word: number;
    readonly index: number;
  }[];
  /** What is left for the host: the words of some places, one after the other. */
  readonly readings: readonly {
    readonly places: readonly Place[];
    readonly entries: Reading['entries'];
  }[];
  /** All records of a step, their scalars still 0. */
  readonly words: Uint32Array<ArrayBuffer>;
};

export type Surroundings = {
  /** Words to which the records of a dispatch must be aligned. */
  readonly alignment: number;
  /** Workgroups that a dispatch may have in one dimension. */
  readonly maximumGroups: number;
  readonly arenaOf: (job?: Job<ArenaSlot>) => Arena;
  readonly pipelineOf: (name: string, code: string, weights: number, gradients: number) => Pipeline;
};

/** A plan's run on one variable. */
type PlanRun = {
  readonly index: number;
  readonly plan: Plan;
  readonly layout: Layout;
  readonly offsets: readonly number[];
  readonly groups?: number;
};

/**
 * Workgroups in two dimensions where one has no room for them; passes leave out those past the
 * end.
 */
const grid = (groups: number, depth: number, maximumGroups: number): [number, number, number] => {
  const x = Math.min(groups, maximumGroups);
  return [x, Math.ceil(groups / x), depth];
};

function groupBy<T, K>(values: readonly T[], keyOf: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of values) getOrMake(groups, keyOf(value), (): T[] => []).push(value);
  return groups;
}

export function planCommands(
  jobs: readonly Job<ArenaSlot>[],
  stepWide: Plan | undefined,
  { alignment, maximumGroups, arenaOf, pipelineOf }: Surroundings,
): CommandPlan {
  const actions: (Dispatch | Copy)[] = [];
  const scalars: CommandPlan['scalars'][number][] = [];
  const words: number[] = [];
  const passes = new Map<Plan, readonly Pass[]>();
  const passesOf = (plan: Plan): readonly Pass[] => getOrMake(passes, plan, () => cutPlan(plan));
  const align = (): void => {
    while (words.length % alignment !== 0) words.push(0);
  };

  const launch = (
    arena: Arena,
    entries: readonly PlanRun[],
    code: string,
    groups: Dispatch['groups'],
    bound: readonly number[] = [],
  ): void => {
    const using = (role: Buffer['role']) =>
      entries[0].plan.buffers.some((buffer) => buffer.role === role) ? bound : [];
    const [weights, gradients] = [using('variable'), using('gradient')];
    const name = [...new Set(entries.map(({ plan }) => plan.name))].join(' and ');
    align();
    actions.push({
      pipeline: pipelineOf(name, code, weights.length, gradients.length),
      arena,
      records: words.length,
      groups,
      weights,
      gradients,
    });
    for (const { plan, layout, index, offsets, groups: partials } of entries) {
      scalars.push({ plan, word: words.length + scalarsAt(plan), index });
      words.push(...wgslSizes(plan, layout, partials), ...offsets, ...plan.scalars.map(() => 0));
    }
  };

  /** A plan with neurons takes one variable a dispatch, others several. */
  const sweep = (arena: Arena, pass: Pass, entries: readonly PlanRun[]): void => {
    // Variables of like size together: the largest decides how many workgroups are launched for
    // each.
    const waiting = [...entries].sort((a, b) => b.layout.size - a.layout.size);
    while (waiting.length > 0) {
      const batch = waiting.splice(0, hasNeurons(waiting[0].plan) ? 1 : width);
      const [{ plan, layout }] = batch;
      const groups = Math.max(...batch.map((entry) => groupsOf(plan, entry.layout)));
      launch(
        arena,
        batch,
        printSweep(plan, pass, tileOf(plan, layout), batch.length),
        grid(groups, batch.length, maximumGroups),
        batch.map(({ index }) => index),
      );
    }
  };

  const first = arenaOf();
  const scale = (arena: Arena): Place => arena.named('gradientScale', 1);
  if (stepWide) {
    const [over, combine] = passesOf(stepWide);
    // The partial sums of all variables stand in a row: one combine adds them up.
    let groups = 0;
    const before = jobs.map(
      ({ layout }) => (groups += groupsOf(stepWide, layout)) - groupsOf(stepWide, layout),
    );
    const offsets = stepWide.buffers.map(
      ({ name, role }) =>
        (role === 'sum' ? first.named(`total ${name}`, 1 + groups) : scale(first)).offset,
    );
    const entries = jobs.map(({ layout }, index): PlanRun => ({
      index,
      plan: stepWide,
      layout,
      offsets: offsets.map(
        (offset, i) => offset + (stepWide.buffers[i].role === 'sum' ? before[index] : 0),
      ),
    }));
    sweep(first, over, entries);
    launch(
      first,
      [{ index: 0, plan: stepWide, layout: jobs[0].layout, offsets, groups }],
      printCombine([{ plan: stepWide, pass: combine, variables: 1 }]),
      [1, 1, 1],
    );
  }

  const readings: CommandPlan['readings'][number][] = [];
  const runs: { readonly arena: Arena; readonly entries: readonly PlanRun[] }[] = [];
  for (const [arena, indices] of groupBy([...jobs.keys()], (index) => arenaOf(jobs[index]))) {
    if (stepWide && arena !== first) actions.push({ from: scale(first), to: scale(arena) });
    let length = 0;
    const reading = indices.flatMap((index) => {
      const { plan, layout, variable } = jobs[index];
      return plan.buffers
        .filter(({ role }) => role === 'reading')
        .map((buffer) => {
          const count = wordsOf(plan, buffer, layout);
          length += count;
          return {
            buffer,
            index,
            variable: variable.name,
            name: buffer.name,
            at: length - count,
            length: count,
          };
        });
    });
    const stretch = length > 0 ? arena.named('readings', length) : undefined;
    if (stretch) {
      const withScale = stepWide && readings.length === 0;
      readings.push({
        places: [{ ...stretch, words: length }, ...(withScale ? [scale(first)] : [])],
        entries: [
          ...reading,
          ...(withScale ? [{ name: 'gradientScale', at: length, length: 1 }] : []),
        ],
      });
    }
    const entries = indices.map((index): PlanRun => {
      const { plan, layout, slots, variable } = jobs[index];
      const oneSweep = passesOf(plan).filter(({ kind }) => kind === 'sweep').length === 1;
      let scratch = 0;
      const offsetOf = (buffer: Buffer): number => {
        const { role, name, domain } = buffer;
        if (role === 'variable' || role === 'gradient') return 0;
        if (role === 'slot') return slots[name].place.offset;
        if (role === 'stepWide') return scale(arena).offset;
        if (role === 'reading')
          return (
            stretch!.offset +
            reading.find((entry) => entry.index === index && entry.buffer === buffer)!.at
          );
        // Whole tensors of intermediate values are dead when the next variable's dispatch begins,
        // unless a later sweep, which follows the first sweeps of all variables, reads them.
        const label =
          domain === 'element' && oneSweep
            ? `element ${scratch++}`
            : `${variable.id} ${plan.name} ${name}`;
        return arena.named(label, wordsOf(plan, buffer, layout)).offset;
      };
      return { index, plan, layout, offsets: plan.buffers.map(offsetOf) };
    });
    for (const alike of groupBy(entries, ({ plan }) => plan).values())
      runs.push({ arena, entries: alike });
  }

  const phases = Math.max(...runs.map(({ entries: [{ plan }] }) => passesOf(plan).length));
  for (let phase = 0; phase < phases; phase++) {
    const present = runs
      .map((run) => ({
        ...run,
        plan: run.entries[0].plan,
        pass: passesOf(run.entries[0].plan)[phase],
      }))
      .filter(({ pass }) => pass);
    for (const { arena, pass, entries } of present)
      if (pass.kind === 'sweep') sweep(arena, pass, entries);
    for (const [arena, combining] of groupBy(
      present.filter(({ pass }) => pass.kind === 'combine'),
      (run) => run.arena,
    )) {
      const entries = combining.flatMap((run) => run.entries);
      const code = printCombine(
        combining.map((run) => ({ ...run, variables: run.entries.length })),
      );
      launch(arena, entries, code, [entries.length, 1, 1]);
    }
  }
  align();
  return { jobs, stepWide, actions, scalars, readings, words: new Uint32Array(words) };
}
