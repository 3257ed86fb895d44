/** Encodes dispatches into the backend's compute pass, with bind groups that are made once. */
import type { WebGPUBridge } from './webgpu-bridge.js';
import type { CachedCommands } from './webgpu-command-cache.js';
import type { ArenaJob, Dispatch } from './webgpu-command-plan.js';

/** The jobs of a step, and the buffers of their variables and gradients. */
export type StepBuffers = {
  readonly jobs: readonly ArenaJob[];
  readonly weights: readonly GPUBuffer[];
  readonly gradients: readonly GPUBuffer[];
};

type GradientGroup = { readonly bytes: number; readonly group: GPUBindGroup };

export class Dispatcher {
  readonly #bridge: WebGPUBridge;
  readonly #gradientLayout: GPUBindGroupLayout;
  readonly #gradientGroups = new WeakMap<GPUBuffer, GradientGroup>();
  /** The dynamic offset of the parameter blocks, handed over with every dispatch. */
  readonly #offset = new Uint32Array(1);

  constructor(bridge: WebGPUBridge, gradientLayout: GPUBindGroupLayout) {
    this.#bridge = bridge;
    this.#gradientLayout = gradientLayout;
  }

  /**
   * Encodes a dispatch. A step has tens of them, so nothing is allocated here once the bind groups
   * are there.
   */
  encode(dispatch: Dispatch, commands: CachedCommands, step: StepBuffers): void {
    const { jobs, gradients } = step;
    // This may grow the arena, which ends the pass: the pass is asked for afterwards.
    const stable = this.#stableGroup(dispatch, commands, step);
    const pass = this.#bridge.computePass();
    this.#offset[0] = commands.part * commands.plan.words.byteLength + 4 * dispatch.parameters;
    pass.setPipeline(dispatch.pipeline.pipeline);
    pass.setBindGroup(0, stable, this.#offset, 0, 1);
    dispatch.gradients.forEach((job, k) => {
      const { variable, gradient } = jobs[job];
      pass.setBindGroup(1 + k, this.#gradientGroup(gradients[job], 4 * variable.size));
      this.#bridge.keepUntilSubmit(gradient!);
    });
    for (const job of dispatch.weights) this.#bridge.keepUntilSubmit(jobs[job].variable);
    const { workgroups } = dispatch;
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }

  /** The group of arena, parameters and weights. A weight's buffer may be larger than its tensor. */
  #stableGroup(
    dispatch: Dispatch,
    { plan, parameters }: CachedCommands,
    { jobs, weights }: StepBuffers,
  ): GPUBindGroup {
    const arena = dispatch.arena.buffer();
    const { stable } = dispatch;
    if (
      stable &&
      stable.arena === arena &&
      dispatch.weights.every((job, k) => stable.weights[k] === weights[job])
    )
      return stable.group;
    const bindings: GPUBufferBinding[] = [
      { buffer: arena },
      { buffer: parameters, size: plan.words.byteLength },
      ...dispatch.weights.map((job) => ({
        buffer: weights[job],
        size: 4 * jobs[job].variable.size,
      })),
    ];
    const group = this.#bridge.device.createBindGroup({
      label: 'tfjs-warmup weights',
      layout: dispatch.pipeline.stable,
      entries: bindings.map((resource, binding) => ({ binding, resource })),
    });
    dispatch.stable = { arena, weights: dispatch.weights.map((job) => weights[job]), group };
    return group;
  }

  #gradientGroup(buffer: GPUBuffer, bytes: number): GPUBindGroup {
    const known = this.#gradientGroups.get(buffer);
    if (known && known.bytes >= bytes) return known.group;
    const group = this.#bridge.device.createBindGroup({
      label: 'tfjs-warmup gradient',
      layout: this.#gradientLayout,
      entries: [{ binding: 0, resource: { buffer, size: bytes } }],
    });
    this.#gradientGroups.set(buffer, { bytes, group });
    return group;
  }
}
