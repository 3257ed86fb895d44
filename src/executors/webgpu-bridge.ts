/** The one place that touches private members of tfjs-backend-webgpu. */
import { backend as currentBackend, env, mul, type Tensor, type Variable } from '@tensorflow/tfjs-core';

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
};

const methods = ['uploadToGPU', 'ensureCommandEncoderReady', 'endComputePassEncoder', 'submitQueue', 'refCount'] as const;

/** True if the backend is tfjs's webgpu backend with all that the bridge needs. */
export function isWebGPUBackend(backend: object): backend is Backend {
  const candidate = backend as Partial<Backend>;
  return (
    methods.every((method) => typeof candidate[method] === 'function') &&
    candidate.device !== undefined &&
    candidate.queue !== undefined &&
    candidate.tensorMap !== undefined &&
    candidate.commandEncoder !== undefined &&
    candidate.computePassEncoder !== undefined &&
    candidate.commandQueueOwnedIds !== undefined &&
    typeof candidate.dispatchCountInPass === 'number'
  );
}

/** How each device was lost, once it is; kept here, so that a device does not hold on to all that ever used it. */
const losses = new WeakMap<GPUDevice, { message?: string }>();

function lossOf(device: GPUDevice): { readonly message?: string } {
  const known = losses.get(device);
  if (known) return known;
  const loss: { message?: string } = {};
  losses.set(device, loss);
  void device.lost.then(({ message }) => {
    loss.message = message;
  });
  return loss;
}

export class WebGPUBridge {
  /** Why no further step can run: what the device refuses it tells only later. */
  failure: Error | undefined;
  readonly #backend: Backend;
  readonly #loss: { readonly message?: string };

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#loss = lossOf(backend.device);
  }

  /** How the device was lost, or undefined. */
  get loss(): string | undefined {
    return this.#loss.message;
  }

  /** True if tensors are made on this backend now. */
  get isCurrent(): boolean {
    return (currentBackend() as unknown) === this.#backend;
  }

  get device(): GPUDevice {
    return this.#backend.device;
  }

  /** Dispatches that may be encoded before the backend submits them. */
  get dispatchesPerSubmit(): number {
    return env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE');
  }

  /** The buffer of a tensor's data, on the GPU; may end the current pass. */
  buffer({ dataId }: Tensor): GPUBuffer {
    this.#backend.uploadToGPU(dataId);
    return this.#backend.tensorMap.get(dataId).resource!;
  }

  /** The buffer of a variable that a kernel will write: its own, not shared with other tensors or with the user. */
  ownBuffer(variable: Variable): GPUBuffer {
    const { dataId } = variable;
    // Looking at the data moves them here from another backend, which alone knew until then how many share them.
    const { external } = this.#backend.tensorMap.get(dataId);
    if (external || this.#backend.refCount(dataId) > 1) {
      const copy = mul(variable, 1);
      variable.assign(copy as Variable);
      copy.dispose();
    }
    const buffer = this.buffer(variable);
    forgetValues(this.#backend.tensorMap.get(variable.dataId));
    return buffer;
  }

  /** The backend's pass, the same until something ends it. */
  get pass(): GPUComputePassEncoder {
    const backend = this.#backend;
    backend.ensureCommandEncoderReady();
    return (backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass());
  }

  /** Keeps the buffer of a tensor that is disposed from being used again until all that is encoded is submitted. */
  keepUntilSubmit({ dataId }: Tensor): void {
    this.#backend.commandQueueOwnedIds.add(dataId);
  }

  /** Counts a dispatch that was encoded into the pass; may submit. */
  dispatched(dispatchesPerSubmit: number): void {
    if (++this.#backend.dispatchCountInPass >= dispatchesPerSubmit) this.submit();
  }

  /** Encodes copies between buffers. */
  copy(encode: (encoder: GPUCommandEncoder) => void, used: readonly Tensor[] = []): void {
    const backend = this.#backend;
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    encode(backend.commandEncoder!);
    for (const { dataId } of used) backend.commandQueueOwnedIds.add(dataId);
  }

  submit(): void {
    const backend = this.#backend;
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
}

/**
 * Drops the copy of the values that the backend keeps on the CPU, and lets it keep none while the data are on the GPU:
 * a `data()` that is pending across a step would store the old ones when it completes.
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
