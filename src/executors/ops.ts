/** The executor for any backend: the ops printer, slots as tensors. */
import { add, keep, scalar, tidy, zeros, type Tensor } from '@tensorflow/tfjs-core';
import type { Buffer, Plan } from '../compiler/plan.js';
import { runOps } from '../compiler/print-ops.js';
import { mapValues } from '../map-values.js';
import type { Executor, Job, Reading, Slot, StepWide } from './executor.js';

type TensorSlot = Slot & { tensor: Tensor };

export function opsExecutor(): Executor {
  const all: TensorSlot[] = [];

  /** The step-wide factor: the last of the values that the running totals give. */
  const scaleOf = (jobs: readonly Job[], { plan, values }: StepWide): Tensor => {
    const totals = new Map<Buffer, Tensor>();
    const scale = jobs.reduce<Tensor>((one, { gradient, layout }) => {
      const results = runOps(
        plan,
        layout,
        ({ role }) => (role === 'gradient' ? gradient! : one),
        scalarsOf(plan, values),
        (buffer, own) => {
          const before = totals.get(buffer);
          const total = keep(before ? add(before, own()) : own());
          before?.dispose();
          totals.set(buffer, total);
          return total;
        },
      );
      return [...results.values()][0];
    }, scalar(1));
    for (const total of totals.values()) total.dispose();
    return scale;
  };

  const write = (slot: TensorSlot, tensor: Tensor): void => {
    slot.tensor.dispose();
    slot.tensor = keep(tensor.clone());
  };

  return {
    name: 'ops',
    create(_, shapes) {
      const slots = mapValues(shapes, (shape) => ({ shape, tensor: keep(zeros([...shape])) }));
      all.push(...Object.values(slots));
      return slots;
    },
    step(jobs: readonly Job<TensorSlot>[], stepWide) {
      const readings: Reading[] = [];
      tidy(() => {
        const scale = stepWide && scaleOf(jobs, stepWide);
        const leave = (tensor: Tensor, name: string, variable?: string) =>
          readings.push({
            tensor: keep(tensor.clone()),
            entries: [{ variable, name, at: 0, length: tensor.size }],
          });
        for (const { variable, gradient, slots, plan, layout, values } of jobs) {
          const results = runOps(
            plan,
            layout,
            ({ role, name }) =>
              role === 'variable'
                ? variable
                : role === 'gradient'
                  ? gradient!
                  : role === 'stepWide'
                    ? scale!
                    : slots[name].tensor,
            scalarsOf(plan, values),
          );
          for (const [{ role, name }, tensor] of results) {
            if (role === 'variable') variable.assign(tensor);
            else if (role === 'slot') write(slots[name], tensor);
            else leave(tensor, name, variable.name);
          }
        }
        if (scale && readings.length > 0) leave(scale, 'gradientScale');
      });
      return readings;
    },
    read: ({ tensor }: TensorSlot) => tensor.clone(),
    write,
    dispose() {
      for (const { tensor } of all.splice(0)) tensor.dispose();
    },
  };
}

const scalarsOf = ({ scalars, writeScalars }: Plan, values: Job['values']): Float32Array =>
  writeScalars(values, new Float32Array(scalars.length));
