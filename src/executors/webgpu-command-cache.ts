/** The command plans of recent steps, with memory for their parameters. */
import type { Plan } from '../compiler/plan.js';
import type { WebGPUBridge } from './webgpu-bridge.js';
import type { ArenaJob, CommandPlan } from './webgpu-command-plan.js';
import { ParameterRing } from './webgpu-parameter-ring.js';
import { planCommands } from './webgpu-plan-commands.js';
import type { Arenas } from './webgpu-arena.js';
import type { Pipelines } from './webgpu-pipelines.js';
import { CommandWriter } from './webgpu-command-writer.js';

/** Plans that are kept: a model whose losses take turns has more than one list of variables. */
const maximumPlans = 8;

export type CachedCommands = {
  readonly plan: CommandPlan;
  /** The words of the plan, as floats. */
  readonly floats: Float32Array;
  readonly ring: ParameterRing;
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

  commandsFor(jobs: readonly ArenaJob[], stepWide: Plan | undefined): CachedCommands {
    const waiting = this.#bridge.dispatchesPerSubmit();
    const index = this.#cached.findIndex(({ plan }) => isPlanFor(plan, jobs, stepWide));
    // The flag that says how many steps may wait can change at any time: the ring may be too small.
    if (index >= 0 && this.#cached[index].ring.capacity > waiting) return this.#cached[index];
    if (index >= 0 || this.#cached.length === maximumPlans) {
      this.#bridge.submit();
      this.#remove(Math.max(index, 0), 1);
    }
    const { device } = this.#bridge;
    checkSizes(jobs, device.limits.maxStorageBufferBindingSize);
    const writer = new CommandWriter(device.limits, this.#pipelines);
    const plan = planCommands(jobs, stepWide, this.#arenas, writer);
    // A dispatch that waits to be submitted still reads its parameters, and a step has at least one.
    const ring = new ParameterRing(device, plan.words.byteLength, waiting + 1);
    const commands = { plan, floats: new Float32Array(plan.words.buffer), ring };
    this.#cached.push(commands);
    return commands;
  }

  destroy(): void {
    this.#remove(0);
  }

  #remove(start: number, count = this.#cached.length): void {
    for (const { ring } of this.#cached.splice(start, count)) ring.buffer.destroy();
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
