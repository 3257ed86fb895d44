/**
 * Everything that is timed. A new subject is one entry here, with a small file of its own where no other starts it.
 *
 * What starts a subject is imported in the subject's own process: the bench itself loads no tfjs.
 */
import type { Shape } from './cases.js';

export const backendNames = ['wasm', 'cpu'] as const;
export type BackendName = (typeof backendNames)[number];

/** A subject at work. */
export type Running = {
  /** Does a step and gives its milliseconds. */
  step(): number | Promise<number>;
  /** The bytes that an update in place must move, where that is known; asked after the first step. */
  bytes(): number | undefined;
  /** What is counted beside the time, of the last step: dispatches, for example. Kept with each round. */
  counts?(): Readonly<Record<string, number>>;
};

export type Subject = {
  readonly name: string;
  /** The tfjs backend that it runs on; subjects without one are the yardsticks, and always run. */
  readonly backend?: BackendName;
  /** Bytes of memory that it takes at its peak, by parameter: keeps big cases off small machines. */
  readonly memory: number;
} & (
  | { readonly start: (shapes: readonly Shape[]) => Promise<Running> }
  /** The name of a rule in native.c. */
  | { readonly native: string }
);

type Optimizers = typeof import('../../src/optimizers/index.js');
type Train = typeof import('@tensorflow/tfjs-core').train;
type Optimizer = import('@tensorflow/tfjs-core').Optimizer;

const ours = (name: string, backend: BackendName, slots: number, create: (optimizers: Optimizers) => Optimizer): Subject => ({
  name: `${name} ${backend}`,
  backend,
  // On cpu weights and gradients exist twice, and old weights until they are collected.
  memory: 4 * (backend === 'wasm' ? 2 + slots : 7 + slots),
  start: async (shapes) => {
    const optimizers = await import('../../src/optimizers/index.js');
    return (await import('./tfjs.js')).startTfjs(backend, shapes, () => create(optimizers));
  },
});

const tfjs = (name: string, backend: BackendName, create: (train: Train) => Optimizer): Subject => ({
  name: `tf.train.${name} ${backend}`,
  backend,
  // Every operation of a step keeps its result until the end of the step.
  memory: backend === 'wasm' ? 66 : 80,
  start: async (shapes) => {
    const { train } = await import('@tensorflow/tfjs-core');
    return (await import('./tfjs.js')).startTfjs(backend, shapes, () => create(train));
  },
});

const learningRate = 1e-3;

const onBackend = (backend: BackendName): Subject[] => [
  ours('AdamW', backend, 2, ({ AdamW }) => new AdamW({ learningRate })),
  ours('AdamW clipNorm', backend, 2, ({ AdamW }) => new AdamW({ learningRate, clipNorm: 1 })),
  ours('GIAdam', backend, 2, ({ GIAdam }) => new GIAdam({ learningRate })),
  ours('Lion', backend, 1, ({ Lion }) => new Lion({ learningRate })),
  ours('SGDMomentum', backend, 1, ({ SGDMomentum }) => new SGDMomentum({ learningRate })),
  tfjs('adam', backend, (train) => train.adam(learningRate)),
];

export const subjects: readonly Subject[] = [
  { name: 'AdamW native C', memory: 16, native: 'adamw' },
  { name: 'Lion native C', memory: 12, native: 'lion' },
  { name: 'SGDMomentum native C', memory: 12, native: 'sgdmomentum' },
  { name: 'AdamW Float32Array loop', memory: 16, start: async (shapes) => (await import('./float32-loop.js')).startLoop(shapes) },
  ...backendNames.flatMap(onBackend),
];

/** Which time is divided by which: first what the library promises. */
export const ratios: readonly (readonly [over: string, under: string])[] = [
  ['AdamW wasm', 'AdamW native C'],
  ['GIAdam wasm', 'AdamW native C'],
  ['Lion wasm', 'Lion native C'],
  ['SGDMomentum wasm', 'SGDMomentum native C'],
  ['AdamW clipNorm wasm', 'AdamW wasm'],
  ['tf.train.adam wasm', 'AdamW wasm'],
  ['tf.train.adam cpu', 'AdamW cpu'],
  ['AdamW cpu', 'AdamW native C'],
  ['AdamW Float32Array loop', 'AdamW wasm'],
];
