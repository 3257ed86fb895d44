/**
 * GPU memory for slots and intermediate values: one buffer, several past the device's binding
 * limit.
 */
import type { WebGPUBridge } from './webgpu-bridge.js';

/** A range of an arena, in words of four bytes. */
export type Place = { readonly arena: Arena; readonly offset: number; readonly words: number };

const tooLarge = (what: string, words: number, limit: number): Error =>
  new Error(
    `${what} needs ${4 * words} bytes in one buffer; this device binds at most ${4 * limit}`,
  );

/** A buffer that grows with what is allocated in it, up to `limit` words. */
export class Arena {
  readonly #bridge: WebGPUBridge;
  readonly #limit: number;
  readonly #scratch = new Map<string, Place>();
  #used = 0;
  #buffer: GPUBuffer | undefined;

  constructor(bridge: WebGPUBridge, limit: number) {
    this.#bridge = bridge;
    this.#limit = limit;
  }

  /** Allocated words. */
  get used(): number {
    return this.#used;
  }

  /** Allocates words, which are zero; an error says what they are for. */
  allocate(words: number, what: string): Place {
    const offset = this.#used;
    if (offset + words > this.#limit) throw tooLarge(what, offset + words, this.#limit);
    this.#used += words;
    return { arena: this, offset, words };
  }

  /** Words for values that are dead after a step; those of one name share their place. */
  scratch(name: string, words: number): Place {
    const known = this.#scratch.get(name);
    if (known && known.words >= words) return known;
    const place = this.allocate(words, 'a step');
    this.#scratch.set(name, place);
    return place;
  }

  /** The buffer, with room for everything that is allocated. Growing copies it to a larger one. */
  buffer(): GPUBuffer {
    const size = Math.max(4 * this.#used, 16);
    const old = this.#buffer;
    if (old && old.size >= size) return old;
    const { device } = this.#bridge;
    const make = (): GPUBuffer =>
      device.createBuffer({
        label: 'tfjs-warmup state',
        size,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      });
    const messageOf = (reason: string): string =>
      `the device has no memory for ${size} bytes of optimizer state in one buffer: ${reason}`;
    const grown = this.#bridge.create('out-of-memory', make, messageOf);
    this.#buffer = grown;
    if (old) {
      this.#bridge.copy(old, 0, grown, 0, old.size / 4);
      this.#bridge.submit();
      old.destroy();
    }
    return grown;
  }

  destroy(): void {
    this.#buffer?.destroy();
  }
}

/** The arenas of an executor. */
export class Arenas {
  readonly #bridge: WebGPUBridge;
  readonly #arenas: Arena[] = [];

  constructor(bridge: WebGPUBridge) {
    this.#bridge = bridge;
  }

  /** An arena with room for so many more words; throws if one buffer cannot hold them. */
  withRoomFor(words: number, what: string): Arena {
    const limit = Math.floor(this.#bridge.device.limits.maxStorageBufferBindingSize / 4);
    if (words > limit) throw tooLarge(what, words, limit);
    // An eighth of each arena stays free for scratch memory of the variables whose slots it holds.
    const available = limit - Math.floor(limit / 8);
    const found = this.#arenas.find((arena) => arena.used + words <= available);
    if (found) return found;
    const arena = new Arena(this.#bridge, limit);
    this.#arenas.push(arena);
    return arena;
  }

  destroy(): void {
    for (const arena of this.#arenas.splice(0)) arena.destroy();
  }
}
