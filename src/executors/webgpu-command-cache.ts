/** The command plans of recent steps, with memory for their parameters. */
import type { Plan } from '../compiler/plan.js';
import type { Arenas } from './webgpu-arena.js';
import type { WebGPUBridge } from './webgpu-bridge.js';
import type { ArenaJob, CommandPlan } from './webgpu-command-plan.js';
import { CommandWriter } from './webgpu-command-writer.js';
import type { Pipelines } from './webgpu-pipelines.js';
import { planCommands } from './webgpu-plan-commands.js';

/** Plans that are kept: a model whose losses take turns has more than one list of variables. */
const maximumPlans = 8;

export type CachedCommands = {
  readonly plan: CommandPlan;
  /** The words of the plan, as floats. */
  readonly floats: Float32Array;
  /** A ring buffer: each step writes its parameters to the next part. */
  readonly parameters: GPUBuffer;
  /** Parts of the ring, and the part of the next step. */
  readonly parts: number;
  part: number;
};

export class CommandCache {
  readonly #bridge: WebGPUBridge;
  readonly #arenas: Arenas;
  readonly #pipelines: Pipelines;
  readonly #cached: CachedCommands[] = [];

  constructor(bridge: WebGPUBridge, arenas: Arenas, pipelines: Pipelines) {
    this.#bridge = bridge;
    this.#arenas = arenas;
    this.#pipelines = pipelines;
  }

  /** The commands of a step on these jobs' variables and plans. */
  commandsFor(jobs: readonly ArenaJob[], stepWide: Plan | undefined): CachedCommands {
    const waiting = this.#bridge.dispatchesPerSubmit();
    const index = this.#cached.findIndex(({ plan }) => isPlanFor(plan, jobs, stepWide));
    // The flag for dispatches that wait can change at any time; then the ring may be too small.
    if (index >= 0 && this.#cached[index].parts > waiting) return this.#cached[index];
    if (index >= 0 || this.#cached.length === maximumPlans) {
      this.#bridge.submit();
      this.#remove(Math.max(index, 0), 1);
    }
    const { device } = this.#bridge;
    checkSizes(jobs, device.limits.maxStorageBufferBindingSize);
    const writer = new CommandWriter(device.limits, this.#pipelines);
    const plan = planCommands(jobs, stepWide, this.#arenas, writer);
    // Dispatches that wait to be submitted still read their parameters: so many steps, and this one.
    const parts = waiting + 1;
    const parameters = device.createBuffer({
      label: 'tfjs-warmup parameters',
      // Bindings are as long as a part and may begin within the last one.
      size: plan.words.byteLength * (parts + 1),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    const floats = new Float32Array(plan.words.buffer);
    const commands = { plan, floats, parameters, parts, part: 0 };
    this.#cached.push(commands);
    return commands;
  }

  destroy(): void {
    this.#remove(0);
  }

  #remove(start: number, count = this.#cached.length): void {
    for (const { parameters } of this.#cached.splice(start, count)) parameters.destroy();
  }
}

const isPlanFor = (
  known: CommandPlan,
  jobs: readonly ArenaJob[],
  stepWide: Plan | undefined,
): boolean =>
  known.stepWide === stepWide &&
  known.jobs.length === jobs.length &&
  jobs.every(
    ({ variable, plan }, i) => known.jobs[i].variable === variable && known.jobs[i].plan === plan,
  );

function checkSizes(jobs: readonly ArenaJob[], limit: number): void {
  for (const { variable } of jobs) {
    const bytes = 4 * variable.size;
    if (bytes > limit)
      throw new Error(
        `the variable '${variable.name}' has ${bytes} bytes; this device binds at most ${limit}`,
      );
  }
}
