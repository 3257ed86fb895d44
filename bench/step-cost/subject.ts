/** What is timed, and what it looks like at work. */
import type { Shape } from './cases.js';
import type { Counts, Round } from './protocol.js';

export const backendNames = ['wasm', 'cpu', 'webgpu'] as const;
export type BackendName = (typeof backendNames)[number];

/** What is measured: the step on a backend (on webgpu, its encoding), or a real GPU at work. */
export type Target = BackendName | 'gpu';

/** A subject at work. */
export type Running = {
  /** Does a step and gives its milliseconds. */
  step(): number | Promise<number>;
  /**
   * A round by itself, where single steps cannot be timed; `last`: the milliseconds of the step
   * before.
   */
  round?(milliseconds: number, last: number): Promise<Round>;
  /** Clears away, untimed, what a round has left. */
  afterRound?(): Promise<void>;
  /**
   * The bytes that an update in place must move, where that is known; asked after the first step.
   */
  bytes(): number | undefined;
  /** What a step asks of the GPU, in a pass of its own: counting takes time. */
  count?(): Promise<Counts>;
};

export type Subject = {
  readonly name: string;
  /** Runs where one of these is measured. */
  readonly targets: readonly Target[];
  /**
   * Bytes of memory that it takes at its peak, by parameter: keeps big cases off small machines.
   */
  readonly memory: number;
  /** Cases of fewer or more parameters do without it. */
  readonly parameters?: readonly [least: number, most: number];
  /** Left out of cases with more parameters, in which a step takes too long; the result says so. */
  readonly tooSlowAbove?: number;
  /** True if it can tell what a step asks of the GPU. */
  readonly counts?: boolean;
} & (
  | { readonly start: (shapes: readonly Shape[]) => Promise<Running> }
  /** The name of a rule in native.c. */
  | { readonly native: string }
);

/** One subject's time divided by another's. */
export type Comparison = {
  readonly over: string;
  readonly under: string;
  /** What the library promises to stay below, or at. */
  readonly limit?: number;
  /** Times by bytes moved, where the two do not move the same. */
  readonly perByte?: boolean;
};
