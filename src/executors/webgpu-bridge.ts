/** The one place that touches private members of tfjs-backend-webgpu. */
import {
  backend as currentBackend,
  engine,
  env,
  type Tensor,
  type TensorInfo,
  type Variable,
} from '@tensorflow/tfjs-core';
import { ownData } from './own-data.js';

type TensorData = { resource?: GPUBuffer; values?: unknown; external?: boolean };

/** The members that kernels need; `isWebGPUBackend` checks that this build has them. */
type Backend = {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  readonly tensorMap: { get(dataId: object): TensorData };
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<object>;
  dispatchCountInPass: number;
  uploadToGPU(dataId: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  refCount(dataId: object): number;
  makeTensorInfo(shape: readonly number[], dtype: 'float32'): TensorInfo;
};

const members: readonly (keyof Backend)[] = [
  'device',
  'queue',
  'tensorMap',
  'commandEncoder',
  'computePassEncoder',
  'commandQueueOwnedIds',
  'dispatchCountInPass',
  'uploadToGPU',
  'ensureCommandEncoderReady',
  'endComputePassEncoder',
  'submitQueue',
  'refCount',
  'makeTensorInfo',
];

/** True if the backend is tfjs's webgpu backend with all that the bridge needs. */
export const isWebGPUBackend = (backend: object): backend is Backend =>
  members.every((member) => (backend as Partial<Backend>)[member] !== undefined);

export class WebGPUBridge {
  readonly device: GPUDevice;
  readonly #backend: Backend;
  /** Why no further step can run. */
  #failure: Error | undefined;
  #lost = false;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.device = backend.device;
    void this.device.lost.then(({ message }) => {
      this.#lost = true;
      this.#failure ??= new Error(
        `the webgpu device is lost (${message}); make a new backend, ` +
          'and give an optimizer on it with setWeights what getWeights had saved',
      );
    });
  }

  /** Throws if the device is lost, or has refused something. */
  throwIfFailed(): void {
    if (this.#failure) throw this.#failure;
  }

  /** True if new tensors are made on this backend. */
  isCurrent(): boolean {
    return (currentBackend() as unknown) === this.#backend;
  }

  /** The number of dispatches after which the backend submits. */
  dispatchesPerSubmit(): number {
    return env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE');
  }

  /**
   * Creates a GPU object that the device may refuse. The device reports that later: from then on
   * `throwIfFailed` throws what `messageOf` says of the reason.
   */
  create<T>(filter: GPUErrorFilter, make: () => T, messageOf: (reason: string) => string): T {
    this.device.pushErrorScope(filter);
    const made = make();
    const onError = (error: GPUError | null): void => {
      if (error) this.#failure ??= new Error(messageOf(error.message));
    };
    // The scopes of a lost device are rejected; its loss is reported already.
    this.device.popErrorScope().then(onError, () => undefined);
    return made;
  }

  /** The buffer of a tensor's data, on the GPU; may end the current pass. */
  bufferOf({ dataId }: Tensor): GPUBuffer {
    this.#backend.uploadToGPU(dataId);
    return this.#backend.tensorMap.get(dataId).resource!;
  }

  /** The buffer of a variable that a kernel will write; nothing else uses the buffer. */
  writableBufferOf(variable: Variable): GPUBuffer {
    const backend = this.#backend;
    // Looking data up moves them here from another backend. Only then does this backend count the
    // tensors that share them.
    const { external } = backend.tensorMap.get(variable.dataId);
    if (external || backend.refCount(variable.dataId) > 1) ownData(variable);
    const buffer = this.bufferOf(variable);
    stopCachingValues(backend.tensorMap.get(variable.dataId));
    return buffer;
  }

  /** A tensor on the GPU whose values are still to be written. */
  emptyTensor(shape: readonly number[]): Tensor {
    return engine().makeTensorFromTensorInfo(this.#backend.makeTensorInfo(shape, 'float32'));
  }

  /**
   * Lets the backend reuse the buffer of a disposed tensor only after everything that is encoded so
   * far has been submitted.
   */
  keepUntilSubmit({ dataId }: Tensor): void {
    this.#backend.commandQueueOwnedIds.add(dataId);
  }

  /** The backend's compute pass, the same until something ends it. */
  computePass(): GPUComputePassEncoder {
    const backend = this.#backend;
    backend.ensureCommandEncoderReady();
    return (backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass());
  }

  /** Counts a dispatch in the pass, and submits when there are so many. */
  countDispatch(dispatchesPerSubmit: number): void {
    if (++this.#backend.dispatchCountInPass >= dispatchesPerSubmit) this.submit();
  }

  /** Encodes a copy of words between buffers, outside a pass. */
  copy(from: GPUBuffer, fromWord: number, to: GPUBuffer, toWord: number, words: number): void {
    this.#endPass();
    const encoder = this.#backend.commandEncoder!;
    encoder.copyBufferToBuffer(from, 4 * fromWord, to, 4 * toWord, 4 * words);
  }

  /** Submits what is encoded, unless the device is lost. */
  submit(): void {
    if (this.#lost) return;
    this.#endPass();
    this.#backend.submitQueue();
  }

  #endPass(): void {
    this.#backend.ensureCommandEncoderReady();
    this.#backend.endComputePassEncoder();
  }
}

/**
 * Drops the backend's copy of the values on the CPU, and prevents a new one while the data are on
 * the GPU: a `data()` that is pending across a step would store the old values when it completes.
 */
function stopCachingValues(data: TensorData): void {
  if (Object.getOwnPropertyDescriptor(data, 'values')?.set) return;
  let values: unknown = null;
  Object.defineProperty(data, 'values', {
    configurable: true,
    enumerable: true,
    get: () => values,
    set: (next: unknown) => {
      values = data.resource ? null : next;
    },
  });
}
