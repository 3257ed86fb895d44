/** Readings of a step on the GPU: copied aside when the step is encoded, mapped when somebody asks. */
import type { Job, StepReading } from './executor.js';
import type { Place } from './webgpu-arena.js';
import type { WebGPUBridge } from './webgpu-bridge.js';
import type { ReadingStretch } from './webgpu-schedule.js';

/** Buffers that the host can map, used again and again: steps whose readings are fetched allocate nothing. */
export class Staging {
  readonly #bridge: WebGPUBridge;
  readonly #free: GPUBuffer[] = [];
  #closed = false;

  constructor(bridge: WebGPUBridge) {
    this.#bridge = bridge;
  }

  take(bytes: number): GPUBuffer {
    const at = this.#free.findIndex(({ size }) => size === bytes);
    if (at >= 0) return this.#free.splice(at, 1)[0];
    return this.#bridge.device.createBuffer({ label: 'tfjs-warmup readings', size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  }

  giveBack(buffer: GPUBuffer): void {
    if (this.#closed) this.destroy(buffer);
    else this.#free.push(buffer);
  }

  destroy(buffer: GPUBuffer): void {
    // Copies into it that are encoded must be submitted before it goes.
    if (this.#bridge.loss === undefined) this.#bridge.submit();
    buffer.destroy();
  }

  /** Destroys what is free now, and later what comes back. */
  close(): void {
    this.#closed = true;
    for (const buffer of this.#free.splice(0)) buffer.destroy();
  }
}

/** Encodes the copies; `scale` is where the step-wide factor stands, if there is one. */
export function keepReading(bridge: WebGPUBridge, staging: Staging, stretches: readonly ReadingStretch[], jobs: readonly Job[], scale: Place | undefined): StepReading {
  const words = stretches.reduce((total, { place }) => total + place.words, 1);
  const buffer = staging.take(4 * words);
  const copies: { readonly place: Place; readonly at: number }[] = scale ? [{ place: scale, at: 0 }] : [];
  let at = 1;
  const placed = stretches.map(({ place, entries }) => {
    copies.push({ place, at });
    at += place.words;
    return { first: at - place.words, entries };
  });
  const sources = copies.map(({ place }) => place.arena.buffer);
  bridge.copy((encoder) => copies.forEach((copy, i) => encoder.copyBufferToBuffer(sources[i], 4 * copy.place.offset, buffer, 4 * copy.at, 4 * copy.place.words)));
  let mapping = false;
  let disposed = false;
  return {
    async read() {
      if (bridge.loss === undefined) bridge.submit();
      mapping = true;
      try {
        await buffer.mapAsync(GPUMapMode.READ);
      } catch (error) {
        throw new Error(`the readings of a step cannot be fetched: ${bridge.loss === undefined ? (error as Error).message : `the webgpu device is lost (${bridge.loss})`}`, { cause: error });
      }
      const data = new Float32Array(buffer.getMappedRange()).slice();
      buffer.unmap();
      mapping = false;
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
      if (disposed) return;
      disposed = true;
      // What is being mapped cannot be copied into.
      if (mapping) staging.destroy(buffer);
      else staging.giveBack(buffer);
    },
  };
}
