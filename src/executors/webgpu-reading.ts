/** Readings of a step on the GPU: copied aside when the step is encoded, mapped when somebody asks. */
import type { Job, StepReading } from './executor.js';
import type { Place } from './webgpu-arena.js';
import type { WebGPUBridge } from './webgpu-bridge.js';
import type { ReadingStretch } from './webgpu-schedule.js';

/** Encodes the copies; `scale` is where the step-wide factor stands, if there is one. */
export function keepReading(bridge: WebGPUBridge, stretches: readonly ReadingStretch[], jobs: readonly Job[], scale: Place | undefined): StepReading {
  const words = stretches.reduce((total, { place }) => total + place.words, 1);
  const buffer = bridge.device.createBuffer({ label: 'tfjs-warmup readings', size: 4 * words, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const copies: { readonly place: Place; readonly at: number }[] = scale ? [{ place: scale, at: 0 }] : [];
  let at = 1;
  const placed = stretches.map(({ place, entries }) => {
    copies.push({ place, at });
    at += place.words;
    return { first: at - place.words, entries };
  });
  const sources = copies.map(({ place }) => place.arena.buffer);
  bridge.copy((encoder) => copies.forEach((copy, i) => encoder.copyBufferToBuffer(sources[i], 4 * copy.place.offset, buffer, 4 * copy.at, 4 * copy.place.words)));
  return {
    async read() {
      bridge.submit();
      await buffer.mapAsync(GPUMapMode.READ);
      const data = new Float32Array(buffer.getMappedRange()).slice();
      buffer.unmap();
      const variables = new Map<string, Record<string, ArrayLike<number>>>();
      for (const { first, entries } of placed) {
        for (const { member, name, word, words: count } of entries) {
          const { name: variable } = jobs[member].variable;
          variables.set(variable, { ...variables.get(variable), [name]: data.slice(first + word, first + word + count) });
        }
      }
      return { gradientScale: scale ? data[0] : 1, variables };
    },
    dispose() {
      // The copies that are encoded must be submitted before their target goes.
      bridge.submit();
      buffer.destroy();
    },
  };
}
