/**
 * GPU memory for slots and intermediate values: one buffer, several past the device's binding
 * limit.
 */
import type { WebGPUBridge } from './webgpu-bridge.js';

/** A stretch of an arena, in words of four bytes. */
export type Place = { readonly arena: Arena; readonly offset: number; readonly words: number };

export type Arena = {
  /** Words that are set aside. */
  used(): number;
  /** Sets words aside; new ones are zero. */
  allocate(words: number, what: string): Place;
  /** Words under a name, set aside when they are first asked for: what is dead after a step. */
  named(name: string, words: number): Place;
  /**
   * The buffer with room for all that was set aside; a larger one takes over the content of the one
   * before.
   */
  buffer(): GPUBuffer;
  destroy(): void;
};

const tooLarge = (what: string, words: number, limit: number): Error =>
  new Error(
    `${what} needs ${4 * words} bytes in one buffer; this device binds at most ${4 * limit}`,
  );

/** An arena of at most `limit` words. */
function makeArena({ device, make, copy, submit }: WebGPUBridge, limit: number): Arena {
  const places = new Map<string, Place>();
  let buffer: GPUBuffer | undefined;
  let used = 0;
  const arena: Arena = {
    used: () => used,
    allocate(words, what) {
      const offset = used;
      if (offset + words > limit) throw tooLarge(what, offset + words, limit);
      used += words;
      return { arena, offset, words };
    },
    named(name, words) {
      const known = places.get(name);
      if (known && known.words >= words) return known;
      const place = arena.allocate(words, 'a step');
      places.set(name, place);
      return place;
    },
    buffer() {
      const size = Math.max(4 * used, 16);
      const old = buffer;
      if (old && old.size >= size) return old;
      const grown = make(
        'out-of-memory',
        () =>
          device.createBuffer({
            label: 'tfjs-warmup state',
            size,
            usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
          }),
        (message) =>
          `the device has no memory for ${size} bytes of optimizer state in one buffer: ${message}`,
      );
      buffer = grown;
      if (old) {
        copy(old, 0, grown, 0, old.size / 4);
        submit();
        old.destroy();
      }
      return grown;
    },
    destroy: () => buffer?.destroy(),
  };
  return arena;
}

export function arenas(bridge: WebGPUBridge) {
  const all: Arena[] = [];
  return {
    all,
    /** The arena that has room for so many words more; throws if none can have. */
    withRoomFor(words: number, what: string): Arena {
      const limit = Math.floor(bridge.device.limits.maxStorageBufferBindingSize / 4);
      if (words > limit) throw tooLarge(what, words, limit);
      // Each arena keeps some room for the intermediate values of the variables whose slots it
      // holds.
      const found = all.find((arena) => arena.used() + words <= limit - Math.floor(limit / 8));
      if (found) return found;
      const arena = makeArena(bridge, limit);
      all.push(arena);
      return arena;
    },
  };
}
