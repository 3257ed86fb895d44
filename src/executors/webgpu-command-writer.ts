/** Writes the dispatches of a step and their parameter blocks. */
import { hasNeurons, type Buffer, type Plan } from '../compiler/plan.js';
import {
  groupsOf,
  printCombine,
  printSweep,
  scalarsAt,
  tileOf,
  wgslSizes,
  type Pass,
} from '../compiler/print-wgsl.js';
import type { Arena, Place } from './webgpu-arena.js';
import type { CommandPlan, Copy, Dispatch, PlanRun } from './webgpu-command-plan.js';
import type { Pipelines } from './webgpu-pipelines.js';

/**
 * Variables of one element-wise dispatch: with arena and parameter blocks, three weights and three
 * gradients make 8 storage buffers.
 */
const variablesPerDispatch = 3;

/** The runs of one plan in an arena. */
export type RunGroup = {
  readonly arena: Arena;
  readonly plan: Plan;
  readonly runs: readonly PlanRun[];
};

const usesRole = (plan: Plan, role: Buffer['role']): boolean =>
  plan.buffers.some((buffer) => buffer.role === role);

export class CommandWriter {
  readonly actions: (Dispatch | Copy)[] = [];
  readonly scalars: CommandPlan['scalars'][number][] = [];
  readonly #words: number[] = [];
  readonly #limits: GPUSupportedLimits;
  readonly #pipelines: Pipelines;

  constructor(limits: GPUSupportedLimits, pipelines: Pipelines) {
    this.#limits = limits;
    this.#pipelines = pipelines;
  }

  copy(from: Place, to: Place): void {
    this.actions.push({ from, to });
  }

  /** Sweeps over the variables: one in a dispatch where the plan has neurons, else several. */
  sweep({ arena, plan, runs }: RunGroup, pass: Pass): void {
    // Variables of similar size go together: the largest decides the workgroups for each of them.
    const waiting = [...runs].sort((a, b) => b.layout.size - a.layout.size);
    while (waiting.length > 0) {
      const batch = waiting.splice(0, hasNeurons(plan) ? 1 : variablesPerDispatch);
      const code = printSweep(plan, pass, tileOf(plan, batch[0].layout), batch.length);
      const groups = Math.max(...batch.map(({ layout }) => groupsOf(plan, layout)));
      // In two dimensions where one has no room for them; passes ignore those past the end.
      const x = Math.min(groups, this.#limits.maxComputeWorkgroupsPerDimension);
      const workgroups = [x, Math.ceil(groups / x), batch.length] as const;
      const jobs = batch.map(({ job }) => job);
      this.#dispatch(arena, batch, code, workgroups, jobs);
    }
  }

  /** Adds up the partial sums of all runs of some groups in one dispatch. */
  combine(arena: Arena, groups: readonly (RunGroup & { readonly pass: Pass })[]): void {
    const runs = groups.flatMap((group) => group.runs);
    const code = printCombine(
      groups.map(({ plan, pass, runs: { length } }) => ({ plan, pass, variables: length })),
    );
    this.#dispatch(arena, runs, code, [runs.length, 1, 1]);
  }

  /** The parameter blocks of all dispatches. */
  parameters(): Uint32Array<ArrayBuffer> {
    this.#align();
    return new Uint32Array(this.#words);
  }

  #dispatch(
    arena: Arena,
    runs: readonly PlanRun[],
    code: string,
    workgroups: Dispatch['workgroups'],
    jobs: readonly number[] = [],
  ): void {
    const [{ plan }] = runs;
    const weights = usesRole(plan, 'variable') ? jobs : [];
    const gradients = usesRole(plan, 'gradient') ? jobs : [];
    const name = [...new Set(runs.map((run) => run.plan.name))].join(' and ');
    const pipeline = this.#pipelines.of(name, code, weights.length, gradients.length);
    this.#align();
    const parameters = this.#words.length;
    this.actions.push({ pipeline, arena, parameters, workgroups, weights, gradients });
    for (const run of runs) this.#addParameterBlock(run);
  }

  #addParameterBlock({ job, plan, layout, offsets, partialSums }: PlanRun): void {
    this.scalars.push({ plan, job, word: this.#words.length + scalarsAt(plan) });
    this.#words.push(
      ...wgslSizes(plan, layout, partialSums),
      ...offsets,
      ...plan.scalars.map(() => 0),
    );
  }

  /** Bindings begin at multiples of the device's alignment. */
  #align(): void {
    const words = this.#limits.minStorageBufferOffsetAlignment / 4;
    while (this.#words.length % words !== 0) this.#words.push(0);
  }
}
