/**
 * Everything that is timed. A new subject is one entry here, with a small file of its own where no
 * other starts it.
 *
 * What starts a subject is imported in the subject's own process: the bench itself loads no tfjs.
 */
import type { BackendName, Comparison, Subject } from './subject.js';

type Optimizers = typeof import('../../src/optimizers/index.js');
type Train = typeof import('@tensorflow/tfjs-core').train;
type Optimizer = import('@tensorflow/tfjs-core').Optimizer;

type OnCPU = Exclude<BackendName, 'webgpu'>;

const ours = (
  name: string,
  backend: OnCPU,
  slots: number,
  create: (optimizers: Optimizers) => Optimizer,
): Subject => ({
  name: `${name} ${backend}`,
  targets: [backend],
  // On cpu weights and gradients exist twice, and old weights until they are collected.
  memory: 4 * (backend === 'wasm' ? 2 + slots : 7 + slots),
  start: async (shapes) => {
    const optimizers = await import('../../src/optimizers/index.js');
    return (await import('./tfjs.js')).startTfjs(backend, shapes, () => create(optimizers));
  },
});

const tfjs = (name: string, backend: OnCPU, create: (train: Train) => Optimizer): Subject => ({
  name: `tf.train.${name} ${backend}`,
  targets: [backend],
  // Every operation of a step keeps its result until the end of the step.
  memory: backend === 'wasm' ? 66 : 80,
  // A microsecond a parameter.
  ...(backend === 'cpu' ? { tooSlowAbove: 2e7 } : {}),
  start: async (shapes) => {
    const { train } = await import('@tensorflow/tfjs-core');
    return (await import('./tfjs.js')).startTfjs(backend, shapes, () => create(train));
  },
});

const native = (name: string, slots: number, rule: string): Subject => ({
  name: `${name} native C`,
  targets: ['wasm', 'cpu'],
  memory: 4 * (2 + slots),
  native: rule,
});

/**
 * Where memory decides: in smaller cases these say nothing new, in larger ones all subjects
 * together need much memory.
 */
const large = (subject: Subject): Subject => ({ ...subject, parameters: [5e6, 2e7] });

const learningRate = 1e-3;

const onBackend = (backend: OnCPU): Subject[] => [
  ours('AdamW', backend, 2, ({ AdamW }) => new AdamW({ learningRate })),
  ours('AdamW clipNorm', backend, 2, ({ AdamW }) => new AdamW({ learningRate, clipNorm: 1 })),
  ours('GIAdam', backend, 2, ({ GIAdam }) => new GIAdam({ learningRate })),
  ours('Lion', backend, 1, ({ Lion }) => new Lion({ learningRate })),
  ours('SGDMomentum', backend, 1, ({ SGDMomentum }) => new SGDMomentum({ learningRate })),
  tfjs('adam', backend, (train) => train.adam(learningRate)),
];

/**
 * Neurons by the first axis, their weights side by side as in an embedding; by the last, as in a
 * dense layer.
 */
const neuronAxes = { first: 0, last: -1 } as const;
type Axis = keyof typeof neuronAxes;
const axes = Object.keys(neuronAxes) as Axis[];
const byNeurons = (axis: Axis) => ({
  learningRate,
  groups: [{ match: '*', neuronAxis: neuronAxes[axis] }],
});

const rotational = (axis: Axis): Subject[] => [
  ours(
    `RotationalAdamW ${axis} axis`,
    'wasm',
    3,
    ({ RotationalAdamW }) => new RotationalAdamW(byNeurons(axis)),
  ),
  ours(`LionAR ${axis} axis`, 'wasm', 2, ({ LionAR }) => new LionAR(byNeurons(axis))),
];

const probed: Subject = {
  name: 'AdamW probed wasm',
  targets: ['wasm'],
  memory: 16,
  start: async (shapes) => (await import('./probed.js')).startProbed(shapes, learningRate),
};

/**
 * On a software GPU the times of its work say nothing; what the script does, and what it asks of
 * the device, is the same on all.
 */
const encoding = (
  name: string,
  create: (optimizers: Optimizers, train: Train) => Optimizer,
): Subject => ({
  name: `${name} webgpu encode`,
  targets: ['webgpu'],
  memory: 80,
  counts: true,
  start: async (shapes) => {
    const [optimizers, { train }] = await Promise.all([
      import('../../src/optimizers/index.js'),
      import('@tensorflow/tfjs-core'),
    ]);
    return (await import('./webgpu.js')).startEncoding(shapes, () => create(optimizers, train));
  },
});

const onGPU = (name: string, create: (optimizers: Optimizers) => Optimizer): Subject => ({
  name: `${name} gpu`,
  targets: ['gpu'],
  // While values are uploaded they exist twice; a software GPU keeps its memory here too.
  memory: 40,
  start: async (shapes) => {
    const optimizers = await import('../../src/optimizers/index.js');
    return (await import('./webgpu.js')).startOnGPU(shapes, () => create(optimizers));
  },
});

export const subjects: readonly Subject[] = [
  native('AdamW', 2, 'adamw'),
  native('Lion', 1, 'lion'),
  native('SGDMomentum', 1, 'sgdmomentum'),
  // One array more: the directions between the sweeps.
  ...axes.flatMap((axis) =>
    [
      native(`RotationalAdamW ${axis} axis`, 3, `rotational-adamw-${axis}`),
      native(`LionAR ${axis} axis`, 2, `lion-ar-${axis}`),
    ].map(large),
  ),
  {
    name: 'AdamW Float32Array loop',
    targets: ['wasm', 'cpu'],
    memory: 16,
    start: async (shapes) => (await import('./float32-loop.js')).startLoop(shapes),
  },
  ...onBackend('wasm'),
  ...[...axes.flatMap(rotational), probed].map(large),
  ...onBackend('cpu'),
  encoding('AdamW', ({ AdamW }) => new AdamW({ learningRate })),
  encoding('Lion', ({ Lion }) => new Lion({ learningRate })),
  encoding('RotationalAdamW', ({ RotationalAdamW }) => new RotationalAdamW({ learningRate })),
  encoding('tf.train.adam', (_, train) => train.adam(learningRate)),
  {
    name: 'copyBufferToBuffer gpu',
    targets: ['gpu'],
    memory: 0,
    start: async () => (await import('./webgpu.js')).startCopying(),
  },
  onGPU('AdamW', ({ AdamW }) => new AdamW({ learningRate })),
  ...axes.map((axis) =>
    onGPU(
      `RotationalAdamW ${axis} axis`,
      ({ RotationalAdamW }) => new RotationalAdamW(byNeurons(axis)),
    ),
  ),
];

const encodes = (name: string, limit?: number): Comparison => ({
  over: `${name} webgpu encode`,
  under: 'tf.train.adam webgpu encode',
  limit,
});

/** First what the library promises. */
export const comparisons: readonly Comparison[] = [
  { over: 'AdamW wasm', under: 'AdamW native C' },
  { over: 'GIAdam wasm', under: 'AdamW native C' },
  { over: 'Lion wasm', under: 'Lion native C' },
  { over: 'SGDMomentum wasm', under: 'SGDMomentum native C' },
  { over: 'AdamW clipNorm wasm', under: 'AdamW wasm' },
  { over: 'RotationalAdamW first axis wasm', under: 'AdamW wasm', limit: 1.6 },
  { over: 'RotationalAdamW last axis wasm', under: 'AdamW wasm', limit: 2.6 },
  { over: 'LionAR first axis wasm', under: 'Lion wasm', limit: 1.7 },
  { over: 'LionAR last axis wasm', under: 'Lion wasm', limit: 2.5 },
  { over: 'AdamW probed wasm', under: 'AdamW wasm', limit: 1.25 },
  ...axes.flatMap((axis) => [
    { over: `RotationalAdamW ${axis} axis native C`, under: 'AdamW native C' },
    { over: `LionAR ${axis} axis native C`, under: 'Lion native C' },
    { over: `RotationalAdamW ${axis} axis wasm`, under: `RotationalAdamW ${axis} axis native C` },
    { over: `LionAR ${axis} axis wasm`, under: `LionAR ${axis} axis native C` },
  ]),
  { over: 'tf.train.adam wasm', under: 'AdamW wasm' },
  { over: 'tf.train.adam cpu', under: 'AdamW cpu' },
  { over: 'AdamW cpu', under: 'AdamW native C' },
  { over: 'AdamW Float32Array loop', under: 'AdamW wasm' },
  encodes('AdamW', 1 / 40),
  encodes('Lion', 1 / 40),
  encodes('RotationalAdamW'),
  { over: 'AdamW gpu', under: 'copyBufferToBuffer gpu', perByte: true },
  ...axes.map((axis) => ({
    over: `RotationalAdamW ${axis} axis gpu`,
    under: 'copyBufferToBuffer gpu',
    perByte: true,
  })),
  ...axes.map((axis) => ({ over: `RotationalAdamW ${axis} axis gpu`, under: 'AdamW gpu' })),
];
