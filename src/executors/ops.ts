/** The executor for any backend: plans run as tfjs operations, slots are tensors. */
import { add, keep, scalar, tidy, zeros, type Tensor } from '@tensorflow/tfjs-core';
import type { Buffer } from '../compiler/plan.js';
import { runOps } from '../compiler/print-ops.js';
import { mapValues } from '../map-values.js';
import type { Executor, Job, Reading, Slot, SlotShapes, Slots, StepWide } from './executor.js';

type TensorSlot = Slot & { tensor: Tensor };

export class OpsExecutor implements Executor {
  readonly name = 'ops';
  readonly #slots: TensorSlot[] = [];

  create(_: string, shapes: SlotShapes): Slots<TensorSlot> {
    const slots = mapValues(shapes, (shape) => ({ shape, tensor: keep(zeros([...shape])) }));
    this.#slots.push(...Object.values(slots));
    return slots;
  }

  step(jobs: readonly Job<TensorSlot>[], stepWide?: StepWide): Reading[] {
    const readings: Reading[] = [];
    tidy(() => {
      const scale = stepWide && gradientScaleOf(jobs, stepWide);
      for (const job of jobs) {
        const { variable, slots, plan, layout } = job;
        const results = runOps(plan, layout, inputsOf(job, scale), scalarsOf(job));
        for (const [{ role, name }, tensor] of results) {
          if (role === 'variable') variable.assign(tensor);
          else if (role === 'slot') this.write(slots[name], tensor);
          else readings.push(readingOf(tensor, name, variable.name));
        }
      }
      if (scale && readings.length > 0) readings.push(readingOf(scale, 'gradientScale'));
    });
    return readings;
  }

  read({ tensor }: TensorSlot): Tensor {
    return tensor.clone();
  }

  write(slot: TensorSlot, tensor: Tensor): void {
    slot.tensor.dispose();
    slot.tensor = keep(tensor.clone());
  }

  dispose(): void {
    for (const { tensor } of this.#slots.splice(0)) tensor.dispose();
  }
}

/** The tensors that a job's plan reads. */
const inputsOf =
  ({ variable, gradient, slots }: Job<TensorSlot>, scale: Tensor | undefined) =>
  ({ role, name }: Buffer): Tensor => {
    switch (role) {
      case 'variable':
        return variable;
      case 'gradient':
        return gradient!;
      case 'stepWide':
        return scale!;
      default:
        return slots[name].tensor;
    }
  };

const scalarsOf = ({ plan, values }: StepWide): Float32Array =>
  plan.writeScalars(values, new Float32Array(plan.scalars.length));

const readingOf = (tensor: Tensor, name: string, variable?: string): Reading => ({
  tensor: keep(tensor.clone()),
  entries: [{ variable, name, at: 0, length: tensor.size }],
});

/** The step-wide factor. Each run computes it from the sums so far; the last one has all terms. */
function gradientScaleOf(jobs: readonly Job[], stepWide: StepWide): Tensor {
  const { plan } = stepWide;
  const totals = new Map<Buffer, Tensor>();
  const accumulate = (buffer: Buffer, sumOf: () => Tensor): Tensor => {
    const before = totals.get(buffer);
    const total = keep(before ? add(before, sumOf()) : sumOf());
    before?.dispose();
    totals.set(buffer, total);
    return total;
  };
  let scale: Tensor = scalar(1);
  for (const { gradient, layout } of jobs) {
    const previous = scale;
    const inputs = ({ role }: Buffer) => (role === 'gradient' ? gradient! : previous);
    const results = runOps(plan, layout, inputs, scalarsOf(stepWide), accumulate);
    [scale] = results.values();
  }
  for (const total of totals.values()) total.dispose();
  return scale;
}
