/** The executor of fused WGSL kernels on the webgpu backend's own device, in the backend's own passes. */
import { mul, tensor, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';
import type { StepWideStage } from '../compiler/program.js';
import type { Executor, Job, StepReading, StepWide } from './executor.js';
import { Arenas, type Arena, type Place } from './webgpu-arena.js';
import type { WebGPUBridge } from './webgpu-bridge.js';
import { gradientLayout, pipelineFor } from './webgpu-pipelines.js';
import { keepReading, Staging } from './webgpu-reading.js';
import { makeSchedule, scalarsAt, type Launch, type Member, type Schedule, type Surroundings } from './webgpu-schedule.js';

/** Variables of one element-wise dispatch: with arena and records, three weights and three gradients make 8 storage buffers. */
const width = 3;

/** Lists of variables whose schedules are kept: a model whose losses take turns has more than one. */
const keptSchedules = 8;

type Slot = { readonly place: Place; readonly shape: readonly number[] };

/** A schedule with its memory: records for as many steps as may wait to be submitted. */
type Ready = {
  readonly schedule: Schedule;
  /** The words of the schedule, as scalars. */
  readonly scalars: Float32Array;
  readonly records: GPUBuffer;
  readonly turns: number;
  turn: number;
};

/** The buffers of a step's jobs. */
type Buffers = { readonly weights: readonly GPUBuffer[]; readonly gradients: readonly GPUBuffer[] };

export class WebGPUExecutor implements Executor {
  readonly name = 'webgpu';
  readonly #bridge: WebGPUBridge;
  readonly #arenas: Arenas;
  readonly #staging: Staging;
  readonly #slots = new Map<string, Map<string, Slot>>();
  readonly #places = new Map<string, Place>();
  readonly #gradientGroups = new WeakMap<GPUBuffer, { readonly bytes: number; readonly group: GPUBindGroup }>();
  readonly #schedules: Ready[] = [];
  /** The dynamic offset of the records, handed over at every dispatch. */
  readonly #offset = new Uint32Array(1);

  constructor(bridge: WebGPUBridge) {
    this.#bridge = bridge;
    this.#arenas = new Arenas(bridge);
    this.#staging = new Staging(bridge);
  }

  create(variableName: string, shapes: Readonly<Record<string, readonly number[]>>): void {
    const slots = Object.entries(shapes).map(([slot, shape]) => ({ slot, shape, words: shape.reduce((product, length) => product * length, 1) }));
    const arena = this.#arenas.withRoomFor(slots.reduce((total, { words }) => total + words, 0), `the state of '${variableName}'`);
    this.#slots.set(variableName, new Map(slots.map(({ slot, shape, words }) => [slot, { place: arena.allocate(words, `the state of '${variableName}'`), shape }])));
  }

  step(jobs: readonly Job[], stepWide?: StepWide): StepReading | undefined {
    this.#checkAlive();
    const busy = jobs.filter(({ variable }) => variable.size > 0);
    if (busy.length === 0) return undefined;
    const weights = busy.map(({ variable }) => this.#bridge.ownBuffer(variable));
    const written = new Set(weights);
    const copies: Tensor[] = [];
    // A gradient may be the data of a variable: all gradients are those from before the step.
    const gradients = busy.map(({ gradient }) => {
      const buffer = this.#bridge.buffer(gradient);
      if (!written.has(buffer)) return buffer;
      const copy = mul(gradient, 1);
      copies.push(copy);
      return this.#bridge.buffer(copy);
    });
    const ready = this.#readyFor(busy, stepWide?.stage);
    this.#run(ready, busy, { weights, gradients }, stepWide?.values);
    for (const copy of copies) {
      this.#bridge.keepUntilSubmit(copy);
      copy.dispose();
    }
    const { readings, scale } = ready.schedule;
    return readings.length > 0 ? keepReading(this.#bridge, this.#staging, readings, busy, scale) : undefined;
  }

  prepare(variable: Variable, plan: Plan, layout: Layout, values: Readonly<Record<string, number>>): void {
    this.#checkAlive();
    if (variable.size === 0) return;
    const job = { variable, gradient: variable, plan, layout, values };
    const ready = this.#makeReady([job], undefined);
    this.#run(ready, [job], { weights: [this.#bridge.ownBuffer(variable)], gradients: [] });
    this.#bridge.submit();
    ready.records.destroy();
  }

  read(variableName: string, slot: string): Tensor {
    this.#checkAlive();
    if (!this.#bridge.isCurrent) {
      throw new Error(
        `the state of '${variableName}' is on the GPU and cannot be moved to another backend at once; while webgpu is the backend, save it with getWeights ` +
          'and wait for the data() of its tensors, then change the backend and give them to setWeights',
      );
    }
    const { place, shape } = this.#slots.get(variableName)!.get(slot)!;
    if (place.words === 0) return tensor([], [...shape], 'float32');
    const buffer = this.#bridge.device.createBuffer({ size: 4 * place.words, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
    const source = place.arena.buffer;
    this.#bridge.copy((encoder) => encoder.copyBufferToBuffer(source, 4 * place.offset, buffer, 0, buffer.size));
    const copy = tensor({ buffer }, [...shape], 'float32');
    this.#bridge.submit();
    buffer.destroy();
    return copy;
  }

  write(variableName: string, slot: string, values: Tensor): void {
    this.#checkAlive();
    const { place } = this.#slots.get(variableName)!.get(slot)!;
    if (place.words === 0) return;
    const source = this.#bridge.buffer(values);
    const target = place.arena.buffer;
    this.#bridge.copy((encoder) => encoder.copyBufferToBuffer(source, 0, target, 4 * place.offset, 4 * place.words), [values]);
  }

  dispose(): void {
    // Work that is encoded must not meet destroyed buffers.
    if (this.#bridge.loss === undefined) this.#bridge.submit();
    for (const arena of this.#arenas.all) arena.destroy();
    this.#staging.close();
    for (const { records } of this.#schedules) records.destroy();
    this.#schedules.length = 0;
    this.#slots.clear();
  }

  #checkAlive(): void {
    const { loss } = this.#bridge;
    if (loss !== undefined) {
      this.#bridge.failure ??= new Error(`the webgpu device is lost (${loss}); make a new backend, and give an optimizer on it with setWeights what getWeights had saved`);
    }
    if (this.#bridge.failure) throw this.#bridge.failure;
  }

  #readyFor(jobs: readonly Job[], stepWide: StepWideStage | undefined): Ready {
    const isFor = ({ schedule: { members, stepWide: known } }: Ready): boolean =>
      known === stepWide && members.length === jobs.length && jobs.every(({ variable, plan }, i) => members[i].variable === variable && members[i].plan === plan);
    const at = this.#schedules.findIndex(isFor);
    // More steps may wait now than when the records were made: the flag that says how many can change at any time.
    if (at >= 0 && this.#schedules[at].turns > this.#bridge.dispatchesPerSubmit) return this.#schedules[at];
    if (at >= 0 || this.#schedules.length === keptSchedules) {
      this.#bridge.submit();
      for (const { records } of this.#schedules.splice(Math.max(at, 0), 1)) records.destroy();
    }
    const ready = this.#makeReady(jobs, stepWide);
    this.#schedules.push(ready);
    return ready;
  }

  #makeReady(jobs: readonly Job[], stepWide: StepWideStage | undefined): Ready {
    const { device, dispatchesPerSubmit } = this.#bridge;
    const { maxStorageBufferBindingSize: limit, minStorageBufferOffsetAlignment, maxComputeWorkgroupsPerDimension } = device.limits;
    for (const { variable } of jobs) {
      if (4 * variable.size > limit) throw new Error(`the variable '${variable.name}' has ${4 * variable.size} bytes; this device binds at most ${limit}`);
    }
    const schedule = makeSchedule(jobs.map(({ variable, plan, layout }) => ({ variable, plan, layout })), stepWide, {
      width,
      alignment: minStorageBufferOffsetAlignment / 4,
      maximumGroups: maxComputeWorkgroupsPerDimension,
      firstArena: this.#arenas.withRoomFor(0, 'a step'),
      arenaOf: (member) => this.#arenaOf(member),
      slotOf: ({ variable }, { name }) => this.#slots.get(variable.name)!.get(name)!.place,
      placeOf: (arena, name, words) => this.#placeOf(arena, name, words),
      pipeline: (name, code, bindings) => {
        const pipeline = pipelineFor(device, name, code, bindings);
        void pipeline.refusal.then((refusal) => (this.#bridge.failure ??= refusal));
        return pipeline;
      },
    } satisfies Surroundings);
    // A dispatch that waits to be submitted still reads its records: so many steps can wait. A last turn makes room for
    // bindings that begin within a turn.
    const turns = dispatchesPerSubmit + 1;
    const records = device.createBuffer({ label: 'tfjs-warmup records', size: schedule.words.byteLength * (turns + 1), usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    return { schedule, scalars: new Float32Array(schedule.words.buffer), records, turns, turn: 0 };
  }

  #arenaOf({ variable }: Member): Arena {
    const [first] = this.#slots.get(variable.name)!.values();
    return first?.place.arena ?? this.#arenas.withRoomFor(0, 'a step');
  }

  #placeOf(arena: Arena, name: string, words: number): Place {
    const key = `${this.#arenas.all.indexOf(arena)} ${name}`;
    const known = this.#places.get(key);
    if (known && known.words >= words) return known;
    const place = arena.allocate(words, 'a step');
    this.#places.set(key, place);
    return place;
  }

  #run(ready: Ready, jobs: readonly Job[], buffers: Buffers, stepWideValues: Readonly<Record<string, number>> = {}): void {
    const { schedule, scalars, records } = ready;
    for (const record of schedule.records) {
      record.plan.writeScalars(record.member === 'stepWide' ? stepWideValues : jobs[record.member].values, scalars, scalarsAt(record));
    }
    this.#bridge.device.queue.writeBuffer(records, ready.turn * schedule.words.byteLength, schedule.words);
    const { dispatchesPerSubmit } = this.#bridge;
    for (const action of schedule.actions) {
      if ('from' in action) {
        const [source, target] = [action.from.arena.buffer, action.to.arena.buffer];
        this.#bridge.copy((encoder) => encoder.copyBufferToBuffer(source, 4 * action.from.offset, target, 4 * action.to.offset, 4));
      } else {
        this.#launch(action, ready, jobs, buffers);
        this.#bridge.dispatched(dispatchesPerSubmit);
      }
    }
    ready.turn = (ready.turn + 1) % ready.turns;
  }

  /** Encodes a dispatch. Tens of them make a step, so nothing is allocated here once the bind groups are there. */
  #launch(launch: Launch, ready: Ready, jobs: readonly Job[], buffers: Buffers): void {
    const bridge = this.#bridge;
    // Before the pass is asked for, which a growing arena ends.
    const stable = this.#stableGroup(launch, ready, jobs, buffers.weights);
    const { pass } = bridge;
    this.#offset[0] = ready.turn * ready.schedule.words.byteLength + 4 * launch.records;
    pass.setPipeline(launch.pipeline.pipeline);
    pass.setBindGroup(0, stable, this.#offset, 0, 1);
    for (let k = 0; k < launch.gradients.length; k++) {
      const index = launch.gradients[k];
      pass.setBindGroup(1 + k, this.#gradientGroup(buffers.gradients[index], 4 * jobs[index].variable.size));
      bridge.keepUntilSubmit(jobs[index].gradient);
    }
    for (const index of launch.weights) bridge.keepUntilSubmit(jobs[index].variable);
    pass.dispatchWorkgroups(launch.groups[0], launch.groups[1], launch.groups[2]);
  }

  /** Buffers are bound with the sizes of their tensors: they may be larger. */
  #stableGroup(launch: Launch, { records, schedule }: Ready, jobs: readonly Job[], weights: readonly GPUBuffer[]): GPUBindGroup {
    const arena = launch.arena.buffer;
    const known = launch.stable;
    if (known && known.arena === arena && launch.weights.every((index, k) => known.weights[k] === weights[index])) return known.group;
    const group = this.#bridge.device.createBindGroup({
      label: 'tfjs-warmup weights',
      layout: launch.pipeline.stable,
      entries: [
        { binding: 0, resource: { buffer: arena } },
        { binding: 1, resource: { buffer: records, size: schedule.words.byteLength } },
        ...launch.weights.map((index, k) => ({ binding: 2 + k, resource: { buffer: weights[index], size: 4 * jobs[index].variable.size } })),
      ],
    });
    launch.stable = { arena, weights: launch.weights.map((index) => weights[index]), group };
    return group;
  }

  #gradientGroup(buffer: GPUBuffer, bytes: number): GPUBindGroup {
    const known = this.#gradientGroups.get(buffer);
    if (known && known.bytes >= bytes) return known.group;
    const { device } = this.#bridge;
    const group = device.createBindGroup({ label: 'tfjs-warmup gradient', layout: gradientLayout(device), entries: [{ binding: 0, resource: { buffer, size: bytes } }] });
    this.#gradientGroups.set(buffer, { bytes, group });
    return group;
  }
}
