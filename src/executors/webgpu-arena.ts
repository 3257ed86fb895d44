/** GPU memory for slots and intermediate values: one buffer, several past the device's binding limit. */
import type { WebGPUBridge } from './webgpu-bridge.js';

/** A stretch of an arena, in words of four bytes. */
export type Place = { readonly arena: Arena; readonly offset: number; readonly words: number };

export class Arena {
  #buffer: GPUBuffer | undefined;
  #used = 0;
  readonly #bridge: WebGPUBridge;

  constructor(bridge: WebGPUBridge) {
    this.#bridge = bridge;
  }

  get words(): number {
    return this.#used;
  }

  /** Sets words aside; a new arena's are zero. */
  allocate(words: number): Place {
    const offset = this.#used;
    this.#used += words;
    return { arena: this, offset, words };
  }

  /** The buffer with room for all that was set aside; a larger one takes over the content of the one before. */
  get buffer(): GPUBuffer {
    const bytes = Math.max(4 * this.#used, 16);
    const old = this.#buffer;
    if (old && old.size >= bytes) return old;
    const grown = this.#bridge.device.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
    if (old) {
      this.#bridge.copy((encoder) => encoder.copyBufferToBuffer(old, 0, grown, 0, old.size));
      this.#bridge.submit();
      old.destroy();
    }
    this.#buffer = grown;
    return grown;
  }

  destroy(): void {
    this.#buffer?.destroy();
    this.#buffer = undefined;
  }
}

export class Arenas {
  readonly all: Arena[] = [];
  readonly #bridge: WebGPUBridge;

  constructor(bridge: WebGPUBridge) {
    this.#bridge = bridge;
  }

  /** The arena that has room for so many words more; throws if none can have. */
  withRoomFor(words: number, what: string): Arena {
    const limit = Math.floor(this.#bridge.device.limits.maxStorageBufferBindingSize / 4);
    if (words > limit) throw new Error(`${what} needs ${4 * words} bytes in one buffer; this device binds at most ${4 * limit}`);
    const found = this.all.find((arena) => arena.words + words <= limit);
    if (found) return found;
    const arena = new Arena(this.#bridge);
    this.all.push(arena);
    return arena;
  }
}
