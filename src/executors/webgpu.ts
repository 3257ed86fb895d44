/** The executor of fused WGSL kernels on the webgpu backend's own device, in the backend's own passes. */
import { tensor, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';
import type { StepWideStage } from '../compiler/program.js';
import type { Executor, Job, StepWide } from './executor.js';
import { Arenas, type Arena, type Place } from './webgpu-arena.js';
import type { WebGPUBridge } from './webgpu-bridge.js';
import { gradientLayout, pipelineFor } from './webgpu-pipelines.js';
import { makeSchedule, scalarsAt, type Launch, type Member, type Schedule, type Surroundings } from './webgpu-schedule.js';

/** Variables of one element-wise dispatch: with arena and records, three weights and three gradients make 8 storage buffers. */
const width = 3;

/** Lists of variables whose schedules are kept: a model whose losses take turns has more than one. */
const keptSchedules = 8;

type Slot = { readonly place: Place; readonly shape: readonly number[] };

/** A schedule with its memory: records for as many steps as may wait to be submitted. */
type Ready = { readonly schedule: Schedule; readonly records: GPUBuffer; readonly turns: number; turn: number };

export class WebGPUExecutor implements Executor {
  readonly name = 'webgpu';
  readonly #bridge: WebGPUBridge;
  readonly #arenas: Arenas;
  readonly #slots = new Map<string, Map<string, Slot>>();
  readonly #places = new Map<string, Place>();
  readonly #gradientGroups = new WeakMap<GPUBuffer, GPUBindGroup>();
  readonly #schedules: Ready[] = [];
  #failure: Error | undefined;

  constructor(bridge: WebGPUBridge) {
    this.#bridge = bridge;
    this.#arenas = new Arenas(bridge);
    void bridge.device.lost.then(({ message }) => {
      this.#failure ??= new Error(`the webgpu device is lost (${message}); make a new backend and a new optimizer, and give it with setWeights what getWeights had saved`);
    });
  }

  create(variableName: string, shapes: Readonly<Record<string, readonly number[]>>): void {
    const slots = Object.entries(shapes).map(([slot, shape]) => ({ slot, shape, words: shape.reduce((product, length) => product * length, 1) }));
    const arena = this.#arenas.withRoomFor(slots.reduce((total, { words }) => total + words, 0), `the state of '${variableName}'`);
    this.#slots.set(variableName, new Map(slots.map(({ slot, shape, words }) => [slot, { place: arena.allocate(words), shape }])));
  }

  step(jobs: readonly Job[], stepWide?: StepWide): void {
    this.#checkAlive();
    const busy = jobs.filter(({ variable }) => variable.size > 0);
    if (busy.length === 0) return;
    const weights = busy.map(({ variable }) => this.#bridge.ownBuffer(variable));
    const gradients = busy.map(({ gradient }) => this.#bridge.buffer(gradient));
    this.#run(this.#readyFor(busy, stepWide?.stage), busy, { weights, gradients }, stepWide?.values);
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
    if (!this.#failure) this.#bridge.submit();
    for (const arena of this.#arenas.all) arena.destroy();
    for (const { records } of this.#schedules) records.destroy();
    this.#schedules.length = 0;
    this.#slots.clear();
  }

  #checkAlive(): void {
    if (this.#failure) throw this.#failure;
  }

  #readyFor(jobs: readonly Job[], stepWide: StepWideStage | undefined): Ready {
    const isFor = ({ schedule: { members, stepWide: known } }: Ready): boolean =>
      known === stepWide && members.length === jobs.length && jobs.every(({ variable, plan }, i) => members[i].variable === variable && members[i].plan === plan);
    const known = this.#schedules.find(isFor);
    if (known) return known;
    if (this.#schedules.length === keptSchedules) {
      this.#bridge.submit();
      this.#schedules.shift()!.records.destroy();
    }
    const ready = this.#makeReady(jobs, stepWide);
    this.#schedules.push(ready);
    return ready;
  }

  #makeReady(jobs: readonly Job[], stepWide: StepWideStage | undefined): Ready {
    const { device, dispatchesPerSubmit } = this.#bridge;
    const { maxStorageBufferBindingSize: limit, minStorageBufferOffsetAlignment } = device.limits;
    for (const { variable } of jobs) {
      if (4 * variable.size > limit) throw new Error(`the variable '${variable.name}' has ${4 * variable.size} bytes; this device binds at most ${limit}`);
    }
    const schedule = makeSchedule(jobs.map(({ variable, plan, layout }) => ({ variable, plan, layout })), stepWide, {
      width,
      alignment: minStorageBufferOffsetAlignment / 4,
      firstArena: this.#arenas.withRoomFor(0, 'a step'),
      arenaOf: (member) => this.#arenaOf(member),
      slotOf: ({ variable }, { name }) => this.#slots.get(variable.name)!.get(name)!.place,
      placeOf: (arena, name, words) => this.#placeOf(arena, name, words),
      pipeline: (name, code, bindings) => pipelineFor(device, name, code, bindings, (error) => (this.#failure ??= error)),
    } satisfies Surroundings);
    // A dispatch that waits to be submitted still reads its records: so many steps can wait. A last turn makes room for
    // bindings that begin within a turn.
    const turns = dispatchesPerSubmit + 1;
    const records = device.createBuffer({ size: schedule.words.byteLength * (turns + 1), usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    return { schedule, records, turns, turn: 0 };
  }

  #arenaOf({ variable }: Member): Arena {
    const [first] = this.#slots.get(variable.name)!.values();
    return first?.place.arena ?? this.#arenas.withRoomFor(0, 'a step');
  }

  #placeOf(arena: Arena, name: string, words: number): Place {
    const key = `${this.#arenas.all.indexOf(arena)} ${name}`;
    const known = this.#places.get(key);
    if (known && known.words >= words) return known;
    const place = arena.allocate(words);
    this.#places.set(key, place);
    return place;
  }

  #run(ready: Ready, jobs: readonly Job[], buffers: { readonly weights: readonly GPUBuffer[]; readonly gradients: readonly GPUBuffer[] }, stepWideValues: Readonly<Record<string, number>> = {}): void {
    const { schedule, records } = ready;
    const bytes = schedule.words.byteLength;
    const scalars = new Float32Array(schedule.words.buffer);
    for (const record of schedule.records) {
      record.plan.writeScalars(record.member === 'stepWide' ? stepWideValues : jobs[record.member].values, scalars, scalarsAt(record));
    }
    this.#bridge.device.queue.writeBuffer(records, ready.turn * bytes, schedule.words);
    for (const action of schedule.actions) {
      if ('from' in action) {
        const [source, target] = [action.from.arena.buffer, action.to.arena.buffer];
        this.#bridge.copy((encoder) => encoder.copyBufferToBuffer(source, 4 * action.from.offset, target, 4 * action.to.offset, 4));
      } else {
        this.#launch(action, ready, jobs, buffers);
      }
    }
    ready.turn = (ready.turn + 1) % ready.turns;
  }

  #launch(launch: Launch, { schedule, records, turn }: Ready, jobs: readonly Job[], buffers: { readonly weights: readonly GPUBuffer[]; readonly gradients: readonly GPUBuffer[] }): void {
    const bytes = schedule.words.byteLength;
    const stable = this.#stableGroup(launch, records, bytes, launch.weights.map((index) => buffers.weights[index]));
    const gradients = launch.gradients.map((index) => this.#gradientGroup(buffers.gradients[index]));
    const used = [...launch.weights.map((index) => jobs[index].variable as Tensor), ...launch.gradients.map((index) => jobs[index].gradient)];
    this.#bridge.dispatch((pass) => {
      pass.setPipeline(launch.pipeline.pipeline);
      pass.setBindGroup(0, stable, [turn * bytes + 4 * launch.records]);
      gradients.forEach((group, k) => pass.setBindGroup(1 + k, group));
      pass.dispatchWorkgroups(...launch.groups);
    }, used);
  }

  #stableGroup(launch: Launch, records: GPUBuffer, bytes: number, weights: readonly GPUBuffer[]): GPUBindGroup {
    const buffers = [launch.arena.buffer, ...weights];
    const known = launch.stable;
    if (known && known.buffers.every((buffer, i) => buffer === buffers[i])) return known.group;
    const group = this.#bridge.device.createBindGroup({
      layout: launch.pipeline.stable,
      entries: [
        { binding: 0, resource: { buffer: launch.arena.buffer } },
        { binding: 1, resource: { buffer: records, size: bytes } },
        ...weights.map((buffer, k) => ({ binding: 2 + k, resource: { buffer } })),
      ],
    });
    launch.stable = { buffers, group };
    return group;
  }

  #gradientGroup(buffer: GPUBuffer): GPUBindGroup {
    const { device } = this.#bridge;
    const known = this.#gradientGroups.get(buffer);
    if (known) return known;
    const group = device.createBindGroup({ layout: gradientLayout(device), entries: [{ binding: 0, resource: { buffer } }] });
    this.#gradientGroups.set(buffer, group);
    return group;
  }
}
