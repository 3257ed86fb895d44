/** GPU memory for the parameter blocks of the steps that wait to be submitted. */

/** A ring buffer: each step writes the blocks of all its dispatches to the next part. */
export class ParameterRing {
  readonly buffer: GPUBuffer;
  /** Bytes of a step. */
  readonly stepBytes: number;
  /** Steps that may wait. */
  readonly capacity: number;
  #part = 0;

  constructor(device: GPUDevice, stepBytes: number, capacity: number) {
    this.stepBytes = stepBytes;
    this.capacity = capacity;
    this.buffer = device.createBuffer({
      label: 'tfjs-warmup parameters',
      // Bindings are as long as a step and may begin within the last part.
      size: stepBytes * (capacity + 1),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
  }

  /** Where the step's part begins, in bytes. */
  get offset(): number {
    return this.#part * this.stepBytes;
  }

  /** Moves to the part of the next step. */
  advance(): void {
    this.#part = (this.#part + 1) % this.capacity;
  }
}
