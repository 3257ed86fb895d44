/**
 * A plan: what an update rule computes, as a list of stages that a printer can write in the
 * language of a backend.
 *
 * An element stage is a sweep over the tensor, a neuron stage one over its neurons, a tensor stage
 * computes single values. The instructions of a stage have no branches; a stage passes values to
 * later ones through buffers. AdamW, for example, is one element stage: it loads w, g, m and v,
 * computes, and stores w, m and v.
 *
 * From a rule to its kernel: program.ts calls the rule with its inputs as expressions, make-plan.ts
 * orders the resulting expressions into a plan, and print-wasm.ts, print-wgsl.ts and print-ops.ts
 * turn the plan into a WebAssembly module, compute shaders or calls of tfjs operations.
 */
import type { DeviceDomain, Expression, Reduction } from './expression.js';

/** A place in memory that stages read and write. */
export type Buffer = {
  readonly name: string;
  readonly domain: DeviceDomain;
  /**
   * variable, gradient, slot: what the rule sees. stepWide: one value for all variables of a step.
   * reading: a result for the host. sum, scratch: intermediate values that later stages read; they
   * are not needed after the step.
   */
  readonly role: 'variable' | 'gradient' | 'slot' | 'stepWide' | 'reading' | 'sum' | 'scratch';
};

export type ComputingOperation = Exclude<
  Expression['op'],
  'constant' | 'scalar' | 'input' | Reduction
>;

/** One value of a stage; `args` are indices into the stage's instructions. */
export type Instruction =
  | { readonly op: 'load'; readonly buffer: Buffer }
  | { readonly op: 'constant'; readonly value: number }
  | { readonly op: 'scalar'; readonly index: number }
  | { readonly op: ComputingOperation; readonly args: readonly number[] };

/** A buffer and the instruction whose value it gets, or whose values it adds up. */
export type Write = { readonly buffer: Buffer; readonly value: number };

export type Stage = {
  readonly domain: DeviceDomain;
  readonly instructions: readonly Instruction[];
  /** Written after everything of an element has been read. */
  readonly stores: readonly Write[];
  readonly sums: readonly Write[];
};

export type Plan = {
  readonly name: string;
  /** Host expressions, in the order of the kernel's scalars. */
  readonly scalars: readonly Expression[];
  /**
   * Computes the scalars in double precision, and rounds each once as it writes them to `into` from
   * `offset` on.
   */
  readonly writeScalars: (
    values: Readonly<Record<string, number>>,
    into: Float32Array,
    offset?: number,
  ) => Float32Array;
  readonly buffers: readonly Buffer[];
  readonly stages: readonly Stage[];
};

/** The buffers that a stage reads. */
export const loadsOf = ({ instructions }: Stage): Buffer[] =>
  instructions.flatMap((instruction) => (instruction.op === 'load' ? [instruction.buffer] : []));

/** The buffers that a stage writes. */
export const writesOf = ({ stores, sums }: Stage): Buffer[] =>
  [...stores, ...sums].map(({ buffer }) => buffer);

/** A stage's sums over each neuron, or over the whole tensor. */
export const sumsOf = ({ sums }: Stage, domain: DeviceDomain): Write[] =>
  sums.filter(({ buffer }) => buffer.domain === domain);

/** True if a plan has to know which elements belong to which neuron. */
export const hasNeurons = ({ buffers }: Plan): boolean =>
  buffers.some(({ domain }) => domain === 'neuron');
