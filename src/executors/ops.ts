/** The executor for any backend: the ops printer, slots as tensors. */
import { addN, keep, ones, scalar, tidy, zeros, type Tensor, type Variable } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Buffer, Plan } from '../compiler/plan.js';
import { runOps } from '../compiler/print-ops.js';
import type { Executor, Job, StepReading, StepWide } from './executor.js';

const single: Layout = { before: 1, neuronsOuter: 1, between: 1, neuronsInner: 1, after: 1, size: 1, neurons: 1, fanIn: 1 };

export class OpsExecutor implements Executor {
  readonly name = 'ops';
  readonly #slots = new Map<string, Map<string, Tensor>>();

  create(variableName: string, shapes: Readonly<Record<string, readonly number[]>>): void {
    this.#slots.set(variableName, new Map(Object.entries(shapes).map(([slot, shape]) => [slot, keep(zeros([...shape]))])));
  }

  step(jobs: readonly Job[], stepWide?: StepWide): StepReading | undefined {
    if (jobs.length === 0) return undefined;
    const readings: { readonly variable: string; readonly name: string; readonly tensor: Tensor }[] = [];
    const gradientScale = tidy(() => {
      const scale = stepWide ? this.#scale(jobs, stepWide) : scalar(1);
      for (const job of jobs) {
        const slots = this.#slots.get(job.variable.name)!;
        const inputs = (buffer: Buffer): Tensor =>
          buffer.role === 'variable' ? job.variable : buffer.role === 'gradient' ? job.gradient : buffer.role === 'stepWide' ? scale : slots.get(buffer.name)!;
        const results = runOps(job.plan, job.layout, inputs, scalarsOf(job.plan, job.values));
        this.#apply(job.variable, results);
        for (const [{ role, name }, tensor] of results) if (role === 'reading') readings.push({ variable: job.variable.name, name, tensor: keep(tensor) });
      }
      return scale;
    });
    if (readings.length > 0) return keepReadings(keep(gradientScale), readings);
    gradientScale.dispose();
    return undefined;
  }

  prepare(variable: Variable, plan: Plan, layout: Layout, values: Readonly<Record<string, number>>): void {
    tidy(() => {
      const inputs = (buffer: Buffer): Tensor => (buffer.role === 'variable' ? variable : this.#slots.get(variable.name)!.get(buffer.name)!);
      this.#apply(variable, runOps(plan, layout, inputs, scalarsOf(plan, values)));
    });
  }

  read(variableName: string, slot: string): Tensor {
    return this.#slots.get(variableName)!.get(slot)!.clone();
  }

  write(variableName: string, slot: string, tensor: Tensor): void {
    const slots = this.#slots.get(variableName)!;
    const old = slots.get(slot)!;
    slots.set(slot, keep(tensor.clone()));
    old.dispose();
  }

  dispose(): void {
    for (const slots of this.#slots.values()) for (const tensor of slots.values()) tensor.dispose();
    this.#slots.clear();
  }

  #scale(jobs: readonly Job[], { stage, values }: StepWide): Tensor {
    const sums = jobs.map((job) => runOps(stage.sums, job.layout, () => job.gradient, scalarsOf(stage.sums, values)));
    const total = (buffer: Buffer): Tensor => (buffer.role === 'stepWide' ? ones([]) : addN(sums.map((readings) => byName(readings, buffer.name))));
    return [...runOps(stage.combine, single, total, scalarsOf(stage.combine, values)).values()][0];
  }

  #apply(variable: Variable, results: ReadonlyMap<Buffer, Tensor>): void {
    for (const [buffer, value] of results) {
      if (buffer.role === 'variable') variable.assign(value);
      else if (buffer.role === 'slot') this.write(variable.name, buffer.name, value);
    }
  }
}

/** A reading whose tensors wait on the backend. */
function keepReadings(scale: Tensor, readings: readonly { readonly variable: string; readonly name: string; readonly tensor: Tensor }[]): StepReading {
  return {
    async read() {
      const variables = new Map<string, Record<string, ArrayLike<number>>>();
      for (const { variable, name, tensor } of readings) variables.set(variable, { ...variables.get(variable), [name]: (await tensor.data()).slice() });
      return { gradientScale: (await scale.data())[0], variables };
    },
    dispose: () => [scale, ...readings.map(({ tensor }) => tensor)].forEach((tensor) => tensor.dispose()),
  };
}

const byName = (results: ReadonlyMap<Buffer, Tensor>, name: string): Tensor => [...results].find(([buffer]) => buffer.name === name)![1];

function scalarsOf(plan: Plan, values: Readonly<Record<string, number>>): Float32Array {
  const scalars = new Float32Array(plan.scalars.length);
  plan.writeScalars(values, scalars, 0);
  return scalars;
}
