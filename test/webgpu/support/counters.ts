/**
 * How much a device is asked to do: what stays true on every GPU, where timings on a software
 * driver say nothing.
 */

/** Calls since the last `since()`, or since counting began. */
export interface Calls {
  readonly dispatches: number;
  readonly computePasses: number;
  readonly submits: number;
  readonly bindGroups: number;
  /** Compute pipelines, made at once or asynchronously. */
  readonly pipelines: number;
  readonly shaderModules: number;
  readonly buffersCreated: number;
  readonly buffersDestroyed: number;
  /** `queue.writeBuffer`, and what it uploads. */
  readonly writes: number;
  readonly bytesWritten: number;
  readonly copies: number;
  readonly maps: number;
}

export interface CallCounter {
  /** The calls since the last `since()`; the next count starts here. */
  since(): Calls;
  /** Buffers that were created since counting began and not destroyed. */
  live(): { readonly buffers: number; readonly bytes: number };
  stop(): void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const nothing: Calls = {
  dispatches: 0,
  computePasses: 0,
  submits: 0,
  bindGroups: 0,
  pipelines: 0,
  shaderModules: 0,
  buffersCreated: 0,
  buffersDestroyed: 0,
  writes: 0,
  bytesWritten: 0,
  copies: 0,
  maps: 0,
};

type Method<T, K extends keyof T> = T[K] extends (...args: infer A) => infer R
  ? (result: R, ...args: A) => void
  : never;

/**
 * Shadows a method of one object; the prototype is left alone, so that devices are counted apart.
 */
function after<T extends object, K extends keyof T & string>(
  target: T,
  name: K,
  seen: Method<T, K>,
): () => void {
  const original = target[name] as (...args: unknown[]) => unknown;
  const shadow = (...args: unknown[]): unknown => {
    const result = original.apply(target, args);
    (seen as (...args: unknown[]) => void)(result, ...args);
    return result;
  };
  Object.defineProperty(target, name, { value: shadow, configurable: true, writable: true });
  return () => {
    Reflect.deleteProperty(target, name);
  };
}

/**
 * What `writeBuffer(buffer, offset, data, dataOffset, size)` uploads: offset and size count
 * elements of a typed array.
 */
function bytesOf(data: GPUAllowSharedBufferSource, offset = 0, size?: number): number {
  const elementBytes = (data as Partial<Float32Array>).BYTES_PER_ELEMENT ?? 1;
  return size === undefined ? data.byteLength - offset * elementBytes : size * elementBytes;
}

/**
 * Counts the calls of this device, its queue and all that they create from now on. Do not time a
 * step while it counts.
 */
export function countCalls(device: GPUDevice): CallCounter {
  let calls: Mutable<Calls> = { ...nothing };
  const liveBytes = new Map<GPUBuffer, number>();

  const count =
    (name: keyof Calls): (() => void) =>
    () => {
      calls[name]++;
    };
  const restore = [
    after(device, 'createBindGroup', count('bindGroups')),
    after(device, 'createComputePipeline', count('pipelines')),
    after(device, 'createComputePipelineAsync', count('pipelines')),
    after(device, 'createShaderModule', count('shaderModules')),
    after(device, 'createBuffer', (buffer) => {
      calls.buffersCreated++;
      liveBytes.set(buffer, buffer.size);
      after(buffer, 'mapAsync', count('maps'));
      after(buffer, 'destroy', () => {
        // Destroying twice is allowed and does nothing.
        if (liveBytes.delete(buffer)) calls.buffersDestroyed++;
      });
    }),
    after(device, 'createCommandEncoder', (encoder) => {
      after(encoder, 'copyBufferToBuffer', count('copies'));
      after(encoder, 'beginComputePass', (pass) => {
        calls.computePasses++;
        after(pass, 'dispatchWorkgroups', count('dispatches'));
        after(pass, 'dispatchWorkgroupsIndirect', count('dispatches'));
      });
    }),
    after(device.queue, 'submit', count('submits')),
    after(device.queue, 'writeBuffer', (_, ...args) => {
      const [, , data, dataOffset, size] = args;
      calls.writes++;
      calls.bytesWritten += bytesOf(data, dataOffset, size);
    }),
  ];

  return {
    since() {
      const seen = calls;
      calls = { ...nothing };
      return seen;
    },
    live: () => ({
      buffers: liveBytes.size,
      bytes: [...liveBytes.values()].reduce((sum, bytes) => sum + bytes, 0),
    }),
    stop: () => restore.forEach((undo) => undo()),
  };
}
