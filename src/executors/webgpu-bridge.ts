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

export type WebGPUBridge = ReturnType<typeof webgpuBridge>;

export function webgpuBridge(backend: Backend) {
  const { device } = backend;
  /** Why no further step can run. */
  let failure: Error | undefined;
  let lost = false;
  void device.lost.then(({ message }) => {
    lost = true;
    failure ??= new Error(
      `the webgpu device is lost (${message}); make a new backend, and give an optimizer on it with setWeights what getWeights had saved`,
    );
  });

  const submit = (): void => {
    if (lost) return;
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
  };

  /** The buffer of a tensor's data, on the GPU; may end the current pass. */
  const buffer = ({ dataId }: Tensor): GPUBuffer => {
    backend.uploadToGPU(dataId);
    return backend.tensorMap.get(dataId).resource!;
  };

  /**
   * Keeps the buffer of a tensor that is disposed from being used again until all that is encoded
   * is submitted.
   */
  const keepUntilSubmit = ({ dataId }: Tensor): void =>
    void backend.commandQueueOwnedIds.add(dataId);

  return {
    device,
    submit,
    buffer,
    keepUntilSubmit,

    /** Throws if the device is lost, or has refused something. */
    check(): void {
      if (failure) throw failure;
    },

    /** True if tensors are made on this backend now. */
    isCurrent: (): boolean => (currentBackend() as unknown) === backend,

    /** Dispatches that may be encoded before the backend submits them. */
    dispatchesPerSubmit: (): number => env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE'),

    /** Makes what the device may refuse; it tells so only later. */
    make<T>(filter: GPUErrorFilter, make: () => T, refusal: (message: string) => string): T {
      device.pushErrorScope(filter);
      const made = make();
      const tell = (error: GPUError | null): void => {
        if (error) failure ??= new Error(refusal(error.message));
      };
      // Where the device is lost, there is nothing to say of what it was asked for.
      device.popErrorScope().then(tell, () => undefined);
      return made;
    },

    /**
     * The buffer of a variable that a kernel will write: its own, not shared with other tensors or
     * with the user.
     */
    ownBuffer(variable: Variable): GPUBuffer {
      // Looking at the data moves them here from another backend, which alone knew until then how
      // many share them.
      const { external } = backend.tensorMap.get(variable.dataId);
      if (external || backend.refCount(variable.dataId) > 1) ownData(variable);
      const own = buffer(variable);
      forgetValues(backend.tensorMap.get(variable.dataId));
      return own;
    },

    /** A tensor on the GPU whose values are still to be written. */
    emptyTensor: (shape: readonly number[]): Tensor =>
      engine().makeTensorFromTensorInfo(backend.makeTensorInfo(shape, 'float32')),

    /** The backend's pass, the same until something ends it. */
    pass(): GPUComputePassEncoder {
      backend.ensureCommandEncoderReady();
      return (backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass());
    },

    /** Counts a dispatch that was encoded into the pass; may submit. */
    dispatched(dispatchesPerSubmit: number): void {
      if (++backend.dispatchCountInPass >= dispatchesPerSubmit) submit();
    },

    /** Encodes a copy of words between buffers. */
    copy(from: GPUBuffer, fromWord: number, to: GPUBuffer, toWord: number, words: number): void {
      backend.ensureCommandEncoderReady();
      backend.endComputePassEncoder();
      backend.commandEncoder!.copyBufferToBuffer(from, 4 * fromWord, to, 4 * toWord, 4 * words);
    },
  };
}

/**
 * Drops the copy of the values that the backend keeps on the CPU, and lets it keep none while the
 * data are on the GPU: a `data()` that is pending across a step would store the old ones when it
 * completes.
 */
function forgetValues(data: TensorData): void {
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
