/** GPU memory for slots and intermediate values: one buffer, several past the device's binding limit. */
import type { WebGPUBridge } from './webgpu-bridge.js';

/** A stretch of an arena, in words of four bytes. */
export type Place = { readonly arena: Arena; readonly offset: number; readonly words: number };

export class Arena {
  #buffer: GPUBuffer | undefined;
  #used = 0;
  readonly #bridge: WebGPUBridge;
  readonly #limit: number;

  /** `limit` in words. */
  constructor(bridge: WebGPUBridge, limit: number) {
    this.#bridge = bridge;
    this.#limit = limit;
  }

  get words(): number {
    return this.#used;
  }

  /** Sets words aside; new ones are zero. */
  allocate(words: number, what: string): Place {
    const offset = this.#used;
    if (offset + words > this.#limit) throw new Error(`${what} needs ${4 * (offset + words)} bytes in one buffer; this device binds at most ${4 * this.#limit}`);
    this.#used += words;
    return { arena: this, offset, words };
  }

  /** The buffer with room for all that was set aside; a larger one takes over the content of the one before. */
  get buffer(): GPUBuffer {
    const bytes = Math.max(4 * this.#used, 16);
    const old = this.#buffer;
    if (old && old.size >= bytes) return old;
    const { device } = this.#bridge;
    device.pushErrorScope('out-of-memory');
    const grown = device.createBuffer({ label: 'tfjs-warmup state', size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
    device.popErrorScope().then(
      (error) => {
        if (error) this.#bridge.failure ??= new Error(`the device has no memory for ${bytes} bytes of optimizer state in one buffer: ${error.message}`);
      },
      // The device is lost: there is nothing to say of its memory.
      () => undefined,
    );
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
    // Each arena keeps some room for the intermediate values of the variables whose slots it holds.
    const found = this.all.find((arena) => arena.words + words <= limit - Math.floor(limit / 8));
    if (found) return found;
    const arena = new Arena(this.#bridge, limit);
    this.all.push(arena);
    return arena;
  }
}
