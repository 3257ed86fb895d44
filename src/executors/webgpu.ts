/**
 * The executor of fused WGSL passes on the webgpu backend's own device, in the backend's own
 * passes.
 */
import { keep, mul, util, type Tensor } from '@tensorflow/tfjs-core';
import type { Plan } from '../compiler/plan.js';
import { mapValues } from '../map-values.js';
import type { Executor, Job } from './executor.js';
import { arenas } from './webgpu-arena.js';
import type { WebGPUBridge } from './webgpu-bridge.js';
import { pipelines } from './webgpu-pipelines.js';
import {
  planCommands,
  type ArenaSlot,
  type Dispatch,
  type CommandPlan,
} from './webgpu-commands.js';

/**
 * Lists of variables whose schedules are kept: a model whose losses take turns has more than one.
 */
const keptSchedules = 8;

/** A schedule with its memory: records for as many steps as may wait to be submitted. */
type CachedCommands = {
  readonly schedule: CommandPlan;
  /** The words of the schedule, as scalars. */
  readonly scalars: Float32Array;
  readonly records: GPUBuffer;
  readonly turns: number;
  turn: number;
};

/** The jobs of a step, and their buffers. */
type Step = {
  readonly jobs: readonly Job<ArenaSlot>[];
  readonly weights: readonly GPUBuffer[];
  readonly gradients: readonly GPUBuffer[];
};

export function webgpuExecutor(bridge: WebGPUBridge): Executor {
  const { device, submit, copy } = bridge;
  const { all, withRoomFor } = arenas(bridge);
  const { gradient: gradientLayout, pipelineOf } = pipelines(bridge);
  const gradientGroups = new WeakMap<
    GPUBuffer,
    { readonly bytes: number; readonly group: GPUBindGroup }
  >();
  const known: CachedCommands[] = [];
  /** The dynamic offset of the records, handed over at every dispatch. */
  const offset = new Uint32Array(1);

  const makeCommands = (
    jobs: readonly Job<ArenaSlot>[],
    stepWide: Plan | undefined,
  ): CachedCommands => {
    const {
      maxStorageBufferBindingSize: limit,
      minStorageBufferOffsetAlignment,
      maxComputeWorkgroupsPerDimension,
    } = device.limits;
    for (const {
      variable: { name, size },
    } of jobs) {
      if (4 * size > limit)
        throw new Error(
          `the variable '${name}' has ${4 * size} bytes; this device binds at most ${limit}`,
        );
    }
    const schedule = planCommands(jobs, stepWide, {
      alignment: minStorageBufferOffsetAlignment / 4,
      maximumGroups: maxComputeWorkgroupsPerDimension,
      arenaOf: (job) => Object.values(job?.slots ?? {})[0]?.place.arena ?? withRoomFor(0, 'a step'),
      pipelineOf,
    });
    // A dispatch that waits to be submitted still reads its records: so many steps can wait. A last
    // turn makes room for bindings that begin within a turn.
    const turns = bridge.dispatchesPerSubmit() + 1;
    const records = device.createBuffer({
      label: 'tfjs-warmup records',
      size: schedule.words.byteLength * (turns + 1),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    return { schedule, scalars: new Float32Array(schedule.words.buffer), records, turns, turn: 0 };
  };

  const commandsFor = (
    jobs: readonly Job<ArenaSlot>[],
    stepWide: Plan | undefined,
  ): CachedCommands => {
    const at = known.findIndex(
      ({ schedule }) =>
        schedule.stepWide === stepWide &&
        schedule.jobs.length === jobs.length &&
        jobs.every(
          ({ variable, plan }, i) =>
            schedule.jobs[i].variable === variable && schedule.jobs[i].plan === plan,
        ),
    );
    // More steps may wait now than when the records were made: the flag that says how many can
    // change at any time.
    if (at >= 0 && known[at].turns > bridge.dispatchesPerSubmit()) return known[at];
    if (at >= 0 || known.length === keptSchedules) {
      submit();
      for (const { records } of known.splice(Math.max(at, 0), 1)) records.destroy();
    }
    const ready = makeCommands(jobs, stepWide);
    known.push(ready);
    return ready;
  };

  /** Buffers are bound with the sizes of their tensors: they may be larger. */
  const stableGroup = (
    launch: Dispatch,
    { records, schedule }: CachedCommands,
    { jobs, weights }: Step,
  ): GPUBindGroup => {
    const arena = launch.arena.buffer();
    const { stable } = launch;
    if (
      stable &&
      stable.arena === arena &&
      launch.weights.every((index, k) => stable.weights[k] === weights[index])
    )
      return stable.group;
    const bound = [
      { buffer: arena },
      { buffer: records, size: schedule.words.byteLength },
      ...launch.weights.map((index) => ({
        buffer: weights[index],
        size: 4 * jobs[index].variable.size,
      })),
    ];
    const group = device.createBindGroup({
      label: 'tfjs-warmup weights',
      layout: launch.pipeline.stable,
      entries: bound.map((resource, binding) => ({ binding, resource })),
    });
    launch.stable = { arena, weights: launch.weights.map((index) => weights[index]), group };
    return group;
  };

  const gradientGroup = (buffer: GPUBuffer, bytes: number): GPUBindGroup => {
    const found = gradientGroups.get(buffer);
    if (found && found.bytes >= bytes) return found.group;
    const group = device.createBindGroup({
      label: 'tfjs-warmup gradient',
      layout: gradientLayout,
      entries: [{ binding: 0, resource: { buffer, size: bytes } }],
    });
    gradientGroups.set(buffer, { bytes, group });
    return group;
  };

  /**
   * Encodes a dispatch. Tens of them make a step, so nothing is allocated here once the bind groups
   * are there.
   */
  const encode = (launch: Dispatch, ready: CachedCommands, step: Step): void => {
    const { jobs, gradients } = step;
    // Before the pass is asked for, which a growing arena ends.
    const stable = stableGroup(launch, ready, step);
    const pass = bridge.pass();
    offset[0] = ready.turn * ready.schedule.words.byteLength + 4 * launch.records;
    pass.setPipeline(launch.pipeline.pipeline);
    pass.setBindGroup(0, stable, offset, 0, 1);
    launch.gradients.forEach((index, k) => {
      pass.setBindGroup(1 + k, gradientGroup(gradients[index], 4 * jobs[index].variable.size));
      bridge.keepUntilSubmit(jobs[index].gradient!);
    });
    for (const index of launch.weights) bridge.keepUntilSubmit(jobs[index].variable);
    pass.dispatchWorkgroups(launch.groups[0], launch.groups[1], launch.groups[2]);
  };

  return {
    name: 'webgpu',

    create(variableName, shapes) {
      const what = `the state of '${variableName}'`;
      const sizes = mapValues(shapes, (shape) => util.sizeFromShape([...shape]));
      const arena = withRoomFor(
        Object.values(sizes).reduce((total, words) => total + words, 0),
        what,
      );
      return mapValues(shapes, (shape, name) => ({
        shape,
        place: arena.allocate(sizes[name], what),
      }));
    },

    step(given: readonly Job<ArenaSlot>[], stepWide) {
      bridge.check();
      const jobs = given.filter(({ variable }) => variable.size > 0);
      if (jobs.length === 0) return [];
      const weights = jobs.map(({ variable }) => bridge.ownBuffer(variable));
      const written = new Set(weights);
      const copies: Tensor[] = [];
      // A gradient may be the data of a variable: all gradients are those from before the step.
      const gradients = jobs.map(({ gradient }, i) => {
        const buffer = gradient ? bridge.buffer(gradient) : weights[i];
        if (!gradient || !written.has(buffer)) return buffer;
        const own = mul(gradient, 1);
        copies.push(own);
        return bridge.buffer(own);
      });
      const ready = commandsFor(jobs, stepWide?.plan);
      const { schedule, records, scalars } = ready;
      for (const { plan, word, index } of schedule.scalars)
        plan.writeScalars(
          plan === stepWide?.plan ? stepWide.values : jobs[index].values,
          scalars,
          word,
        );
      device.queue.writeBuffer(records, ready.turn * schedule.words.byteLength, schedule.words);
      const dispatchesPerSubmit = bridge.dispatchesPerSubmit();
      for (const action of schedule.actions) {
        if ('from' in action)
          copy(
            action.from.arena.buffer(),
            action.from.offset,
            action.to.arena.buffer(),
            action.to.offset,
            1,
          );
        else {
          encode(action, ready, { jobs, weights, gradients });
          bridge.dispatched(dispatchesPerSubmit);
        }
      }
      ready.turn = (ready.turn + 1) % ready.turns;
      for (const own of copies) {
        bridge.keepUntilSubmit(own);
        own.dispose();
      }
      return schedule.readings.map(({ places, entries }) => {
        const tensor = keep(
          bridge.emptyTensor([places.reduce((total, { words }) => total + words, 0)]),
        );
        let at = 0;
        for (const { arena, offset: from, words } of places) {
          copy(arena.buffer(), from, bridge.buffer(tensor), at, words);
          at += words;
        }
        return { tensor, entries };
      });
    },

    read({ place, shape }: ArenaSlot) {
      bridge.check();
      if (!bridge.isCurrent()) {
        throw new Error(
          'state on the GPU cannot be moved to another backend at once; while webgpu is the backend, save it with getWeights ' +
            'and wait for the data() of its tensors, then change the backend and give them to setWeights',
        );
      }
      const tensor = bridge.emptyTensor(shape);
      if (place.words > 0)
        copy(place.arena.buffer(), place.offset, bridge.buffer(tensor), 0, place.words);
      return tensor;
    },

    write({ place }: ArenaSlot, values) {
      bridge.check();
      if (place.words === 0) return;
      copy(bridge.buffer(values), 0, place.arena.buffer(), place.offset, place.words);
      bridge.keepUntilSubmit(values);
    },

    dispose() {
      // Work that is encoded must not meet destroyed buffers.
      submit();
      for (const arena of all.splice(0)) arena.destroy();
      for (const { records } of known.splice(0)) records.destroy();
    },
  };
}
