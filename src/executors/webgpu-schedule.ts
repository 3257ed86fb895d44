/** What a step on a given list of variables encodes: dispatches, their records, and where everything stands in the arenas. */
import type { Variable } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Buffer, Plan } from '../compiler/plan.js';
import { cutPlan, groupsOf, hasNeurons, printCombine, printSweep, printTotal, tileOf, wgslRecordOf, wgslSizes, wordsOf, type Kernel } from '../compiler/print-wgsl.js';
import type { StepWideStage } from '../compiler/program.js';
import type { Arena, Place } from './webgpu-arena.js';
import type { Bindings, Pipeline } from './webgpu-pipelines.js';

/** One variable's part of a step. */
export type Member = { readonly variable: Variable; readonly plan: Plan; readonly layout: Layout };

export type Launch = {
  readonly pipeline: Pipeline;
  readonly arena: Arena;
  /** Where its records stand among the step's, in words. */
  readonly records: number;
  readonly groups: readonly [number, number, number];
  /** The members whose weights and gradients it binds. */
  readonly weights: readonly number[];
  readonly gradients: readonly number[];
  /** The bind group of all but the gradients, while its buffers stay the same. */
  stable?: { readonly arena: GPUBuffer; readonly weights: readonly GPUBuffer[]; readonly group: GPUBindGroup };
};

export type Copy = { readonly from: Place; readonly to: Place };

/** The record of a member, or of the step-wide stage, whose scalars are filled in at each step. */
export type RecordPlace = { readonly plan: Plan; readonly word: number; readonly member: number | 'stepWide' };

/** Readings one after the other; `word` counts from the beginning of the stretch. */
export type ReadingStretch = { readonly place: Place; readonly entries: readonly { readonly member: number; readonly name: string; readonly word: number; readonly words: number }[] };

export type Schedule = {
  readonly members: readonly Member[];
  readonly stepWide: StepWideStage | undefined;
  readonly actions: readonly (Launch | Copy)[];
  readonly records: readonly RecordPlace[];
  /** Where the step-wide factor stands. */
  readonly scale: Place | undefined;
  /** Where the members' readings stand: one stretch in each arena that has any. */
  readonly readings: readonly ReadingStretch[];
  /** All records of a step, their scalars still 0. */
  readonly words: Uint32Array<ArrayBuffer>;
};

export type Surroundings = {
  /** Variables of one element-wise dispatch. */
  readonly width: number;
  /** Words to which the records of a dispatch must be aligned. */
  readonly alignment: number;
  /** Workgroups that a dispatch may have in one dimension. */
  readonly maximumGroups: number;
  readonly firstArena: Arena;
  readonly arenaOf: (member: Member) => Arena;
  readonly slotOf: (member: Member, buffer: Buffer) => Place;
  /** Words that outlive no step but stay set aside, by name. */
  readonly placeOf: (arena: Arena, name: string, words: number) => Place;
  readonly pipeline: (name: string, code: string, bindings: Bindings) => Pipeline;
};

type Entry = { readonly plan: Plan; readonly layout: Layout; readonly arena: Arena; readonly index: number; readonly offsets: readonly number[] };

const kernels = new WeakMap<Plan, readonly Kernel[]>();

function kernelsOf(plan: Plan): readonly Kernel[] {
  const cut = kernels.get(plan) ?? cutPlan(plan);
  kernels.set(plan, cut);
  return cut;
}

/** Workgroups in two dimensions where one has no room for them; kernels leave out those past the end. */
const grid = (groups: number, depth: number, maximumGroups: number): [number, number, number] => {
  const x = Math.min(groups, maximumGroups);
  return [x, Math.ceil(groups / x), depth];
};

const uses = (plan: Plan, role: Buffer['role']): boolean => plan.buffers.some((buffer) => buffer.role === role);

/** What goes through the same kernels and the same arena. */
function alike(entries: readonly Entry[]): Entry[][] {
  const groups: Entry[][] = [];
  for (const entry of entries) {
    const group = groups.find(([{ plan, arena }]) => plan === entry.plan && arena === entry.arena);
    if (group) group.push(entry);
    else groups.push([entry]);
  }
  return groups;
}

/** The dispatches of a sweep: a plan with neurons takes one variable, others several. */
function batches(entries: readonly Entry[], width: number): Entry[][] {
  return alike(entries).flatMap((group) => {
    // Variables of like size together: the largest decides how many workgroups are launched for each.
    const sorted = [...group].sort((a, b) => b.layout.size - a.layout.size);
    const size = hasNeurons(sorted[0].plan) ? 1 : width;
    return Array.from({ length: Math.ceil(sorted.length / size) }, (_, i) => sorted.slice(i * size, (i + 1) * size));
  });
}

export function makeSchedule(members: readonly Member[], stepWide: StepWideStage | undefined, surroundings: Surroundings): Schedule {
  const { width, alignment, maximumGroups, firstArena, arenaOf, slotOf, placeOf, pipeline } = surroundings;
  const actions: (Launch | Copy)[] = [];
  const records: RecordPlace[] = [];
  const words: number[] = [];

  /** Adds the records of one dispatch; returns where they begin. */
  const addRecords = (entries: readonly { plan: Plan; sizes: readonly number[]; offsets: readonly number[]; member: number | 'stepWide' }[]): number => {
    while (words.length % alignment !== 0) words.push(0);
    const start = words.length;
    for (const { plan, sizes, offsets, member } of entries) {
      records.push({ plan, word: words.length, member });
      words.push(...sizes, ...offsets, ...plan.scalars.map(() => 0));
    }
    return start;
  };
  const memberRecords = (batch: readonly Entry[]) => batch.map(({ plan, layout, offsets, index }) => ({ plan, sizes: wgslSizes(plan, layout), offsets, member: index }));

  const stretches = new Map<Arena, ReadingStretch>();
  const placeReadings = (): void => {
    for (const arena of new Set(members.map(arenaOf))) {
      let word = 0;
      const entries = members.flatMap((member, index) => arenaOf(member) !== arena ? [] : member.plan.buffers.filter(({ role }) => role === 'reading').map((buffer) => {
        const count = wordsOf(member.plan, buffer, member.layout);
        word += count;
        return { member: index, name: buffer.name, word: word - count, words: count };
      }));
      if (word > 0) stretches.set(arena, { place: placeOf(arena, 'readings', word), entries });
    }
  };

  const entryOf = (member: Member, index: number, arena: Arena): Entry => {
    const { plan, layout, variable } = member;
    const oneSweep = kernelsOf(plan).filter(({ kind }) => kind === 'sweep').length === 1;
    let scratch = 0;
    const offsets = plan.buffers.map((buffer) => {
      if (buffer.role === 'variable' || buffer.role === 'gradient') return 0;
      if (buffer.role === 'slot') return slotOf(member, buffer).offset;
      if (buffer.role === 'stepWide') return placeOf(arena, buffer.name, 1).offset;
      const count = wordsOf(plan, buffer, layout);
      const stretch = buffer.role === 'reading' && stretches.get(arena);
      if (stretch) {
        const entry = stretch.entries.find(({ member: owner, name }) => owner === index && name === buffer.name)!;
        return stretch.place.offset + entry.word;
      }
      // Whole tensors of intermediate values are dead when the next variable's dispatch begins, unless a later sweep,
      // which follows the first sweeps of all variables, reads them.
      const name = buffer.domain === 'element' && oneSweep ? `element ${scratch++}` : `${variable.id} ${plan.name} ${buffer.name}`;
      return placeOf(arena, name, count).offset;
    });
    return { plan, layout, arena, index, offsets };
  };

  const addRun = (entries: readonly Entry[]): void => {
    const phases = Math.max(...entries.map(({ plan }) => kernelsOf(plan).length));
    for (let phase = 0; phase < phases; phase++) {
      const present = entries.filter(({ plan }) => kernelsOf(plan)[phase]);
      const sweeping = present.filter(({ plan }) => kernelsOf(plan)[phase].kind === 'sweep');
      for (const batch of batches(sweeping, width)) {
        const [{ plan, layout, arena }] = batch;
        const bound = batch.map(({ index }) => index);
        const weights = uses(plan, 'variable') ? bound : [];
        const gradients = uses(plan, 'gradient') ? bound : [];
        const code = printSweep(plan, kernelsOf(plan)[phase], tileOf(plan, layout), batch.length);
        actions.push({
          pipeline: pipeline(plan.name, code, { weights: weights.length, gradients: gradients.length }),
          arena,
          records: addRecords(memberRecords(batch)),
          groups: grid(Math.max(...batch.map((entry) => groupsOf(entry.plan, entry.layout))), batch.length, maximumGroups),
          weights,
          gradients,
        });
      }
      const combining = alike(present.filter((entry) => !sweeping.includes(entry)));
      for (const shared of new Set(combining.map(([{ arena }]) => arena))) addCombine(combining.filter(([{ arena }]) => arena === shared), phase);
    }
  };
  const addCombine = (batches: readonly Entry[][], phase: number): void => {
    const entries = batches.flat();
    const combines = batches.map(([{ plan }, ...others]) => ({ plan, kernel: kernelsOf(plan)[phase], variables: 1 + others.length }));
    actions.push({
      pipeline: pipeline(combines.map(({ plan }) => plan.name).join(' and '), printCombine(combines), { weights: 0, gradients: 0 }),
      arena: entries[0].arena,
      records: addRecords(memberRecords(entries)),
      groups: [entries.length, 1, 1],
      weights: [],
      gradients: [],
    });
  };

  let factor: Place | undefined;
  if (stepWide) {
    const { sums, combine } = stepWide;
    const entries = members.map((member, index) => entryOf({ ...member, plan: sums }, index, firstArena));
    addRun(entries);
    const scale = combine.buffers.find(({ role }) => role === 'stepWide')!;
    const result = placeOf(firstArena, scale.name, 1);
    factor = result;
    const own = {
      plan: combine,
      sizes: wgslSizes(combine, members[0].layout).map((value, i) => (i === 0 ? members.length : value)),
      offsets: combine.buffers.map((buffer) => (buffer === scale ? result.offset : 0)),
      member: 'stepWide' as const,
    };
    actions.push({
      pipeline: pipeline(combine.name, printTotal(sums, combine), { weights: 0, gradients: 0 }),
      arena: firstArena,
      records: addRecords([own, ...memberRecords(entries)]),
      groups: [1, 1, 1],
      weights: [],
      gradients: [],
    });
    for (const arena of new Set(members.map(arenaOf))) if (arena !== firstArena) actions.push({ from: result, to: placeOf(arena, scale.name, 1) });
  }
  placeReadings();
  addRun(members.map((member, index) => entryOf(member, index, arenaOf(member))));
  while (words.length % alignment !== 0) words.push(0);
  return { members, stepWide, actions, records, scale: factor, readings: [...stretches.values()], words: new Uint32Array(words) };
}

/** Where a record's scalars begin, in words. */
export const scalarsAt = ({ plan, word }: RecordPlace): number => word + wgslRecordOf(plan).scalars;
