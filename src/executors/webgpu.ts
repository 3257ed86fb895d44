/**
 * The executor of fused WGSL passes. They run on the webgpu backend's own device, encoded into the
 * backend's own passes.
 */
import { keep, mul, util, type Tensor } from '@tensorflow/tfjs-core';
import { mapValues } from '../map-values.js';
import type { Executor, Reading, SlotShapes, Slots, StepWide } from './executor.js';
import { Arenas, type Place } from './webgpu-arena.js';
import type { WebGPUBridge } from './webgpu-bridge.js';
import { CommandCache, type CachedCommands } from './webgpu-command-cache.js';
import type { ArenaJob, ArenaSlot, CommandPlan } from './webgpu-command-plan.js';
import { Dispatcher, type StepBuffers } from './webgpu-dispatcher.js';
import { Pipelines } from './webgpu-pipelines.js';

export class WebGPUExecutor implements Executor {
  readonly name = 'webgpu';
  readonly #bridge: WebGPUBridge;
  readonly #arenas: Arenas;
  readonly #commands: CommandCache;
  readonly #dispatcher: Dispatcher;

  constructor(bridge: WebGPUBridge) {
    const pipelines = new Pipelines(bridge);
    this.#bridge = bridge;
    this.#arenas = new Arenas(bridge);
    this.#commands = new CommandCache(bridge, this.#arenas, pipelines);
    this.#dispatcher = new Dispatcher(bridge, pipelines.gradientLayout);
  }

  create(variableName: string, shapes: SlotShapes): Slots<ArenaSlot> {
    const what = `the state of '${variableName}'`;
    const sizes = mapValues(shapes, (shape) => util.sizeFromShape([...shape]));
    const words = Object.values(sizes).reduce((total, size) => total + size, 0);
    const arena = this.#arenas.withRoomFor(words, what);
    return mapValues(shapes, (shape, name) => ({
      shape,
      place: arena.allocate(sizes[name], what),
    }));
  }

  step(allJobs: readonly ArenaJob[], stepWide?: StepWide): Reading[] {
    this.#bridge.throwIfFailed();
    const jobs = allJobs.filter(({ variable }) => variable.size > 0);
    if (jobs.length === 0) return [];
    const copies: Tensor[] = [];
    const weights = jobs.map(({ variable }) => this.#bridge.writableBufferOf(variable));
    const gradients = this.#gradientBuffers(jobs, weights, copies);
    const commands = this.#commands.commandsFor(jobs, stepWide?.plan);
    this.#uploadParameters(commands, jobs, stepWide);
    this.#encode(commands, { jobs, weights, gradients });
    commands.part = (commands.part + 1) % commands.parts;
    for (const copy of copies) {
      this.#bridge.keepUntilSubmit(copy);
      copy.dispose();
    }
    return commands.plan.readings.map((reading) => this.#read(reading));
  }

  read({ place, shape }: ArenaSlot): Tensor {
    this.#bridge.throwIfFailed();
    if (!this.#bridge.isCurrent()) {
      throw new Error(
        'state on the GPU cannot be moved to another backend at once; while webgpu is the ' +
          'backend, save it with getWeights and wait for the data() of its tensors, then change ' +
          'the backend and give them to setWeights',
      );
    }
    const tensor = this.#bridge.emptyTensor(shape);
    if (place.words > 0) this.#copyOut(place, tensor, 0);
    return tensor;
  }

  write({ place }: ArenaSlot, values: Tensor): void {
    this.#bridge.throwIfFailed();
    if (place.words === 0) return;
    const { arena, offset, words } = place;
    this.#bridge.copy(this.#bridge.bufferOf(values), 0, arena.buffer(), offset, words);
    this.#bridge.keepUntilSubmit(values);
  }

  dispose(): void {
    // Work that is encoded must be submitted before its buffers are destroyed.
    this.#bridge.submit();
    this.#arenas.destroy();
    this.#commands.destroy();
  }

  /**
   * The buffers of the gradients. A gradient may share the data of a variable, which the step
   * changes: such a gradient is copied.
   */
  #gradientBuffers(
    jobs: readonly ArenaJob[],
    weights: readonly GPUBuffer[],
    copies: Tensor[],
  ): GPUBuffer[] {
    const written = new Set(weights);
    return jobs.map(({ gradient }, i) => {
      if (!gradient) return weights[i];
      const buffer = this.#bridge.bufferOf(gradient);
      if (!written.has(buffer)) return buffer;
      const copy = mul(gradient, 1);
      copies.push(copy);
      return this.#bridge.bufferOf(copy);
    });
  }

  #uploadParameters(
    { plan: { scalars, words }, floats, parameters, part }: CachedCommands,
    jobs: readonly ArenaJob[],
    stepWide: StepWide | undefined,
  ): void {
    for (const { plan, job, word } of scalars) {
      const { values } = plan === stepWide?.plan ? stepWide : jobs[job];
      plan.writeScalars(values, floats, word);
    }
    this.#bridge.device.queue.writeBuffer(parameters, part * words.byteLength, words);
  }

  #encode(commands: CachedCommands, buffers: StepBuffers): void {
    const dispatchesPerSubmit = this.#bridge.dispatchesPerSubmit();
    for (const action of commands.plan.actions) {
      if ('from' in action) {
        const { from, to } = action;
        this.#bridge.copy(from.arena.buffer(), from.offset, to.arena.buffer(), to.offset, 1);
      } else {
        this.#dispatcher.encode(action, commands, buffers);
        this.#bridge.countDispatch(dispatchesPerSubmit);
      }
    }
  }

  #read({ places, entries }: CommandPlan['readings'][number]): Reading {
    const size = places.reduce((total, { words }) => total + words, 0);
    const tensor = keep(this.#bridge.emptyTensor([size]));
    let at = 0;
    for (const place of places) {
      this.#copyOut(place, tensor, at);
      at += place.words;
    }
    return { tensor, entries };
  }

  /** Copies a place of an arena into a tensor, from element `at` on. */
  #copyOut({ arena, offset, words }: Place, tensor: Tensor, at: number): void {
    this.#bridge.copy(arena.buffer(), offset, this.#bridge.bufferOf(tensor), at, words);
  }
}
