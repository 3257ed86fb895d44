/**
 * One training run that can stop anywhere and go on in another process. Its gradients depend on
 * weights and step alone.
 */
import * as tf from '@tensorflow/tfjs';
import {
  AdamW,
  GIAdam,
  LionA,
  LionAR,
  RAdam,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  RuleOptimizer,
  rrc,
  type CommonOptions,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import {
  add,
  defineRule,
  div,
  ema,
  mul,
  neuronSum,
  sqrt,
  square,
  sub,
  tensorSum,
} from '../../src/rules/index.js';
import { trapezoid } from '../../src/schedules/index.js';
import { numbers, optimizers, useBackend } from '../executors/tools.js';

/** A tensor as it goes through a file: every byte of it. */
type SavedTensor = {
  readonly name: string;
  readonly shape: number[];
  readonly dtype: 'float32' | 'int32';
  readonly base64: string;
};

export type Run = {
  readonly name: string;
  readonly backend: string;
  readonly executor: 'auto' | 'ops';
};
export type Saved = {
  readonly run: Run;
  readonly weights: SavedTensor[];
  readonly state: SavedTensor[];
};

/** A prepared weight, an initial value, slots of every kind and a sum: all that a rule may keep. */
const everything = defineRule({
  name: 'everything',
  slots: { m: 'element', energy: 'neuron', total: 'tensor' },
  prepare: ({ w }) => ({ w: mul(w, 0.9) }),
  initial: ({ w }) => ({ energy: neuronSum(square(w)) }),
  hyperparameters: { beta: {} },
  host: ({ learningRate, beta, count }) => ({ learningRate, beta, boost: 1 + 1 / (count + 1) }),
  update: ({ w, g, m, energy, total }, s) => {
    const next = ema(m, g, s.beta);
    const size = ema(total, tensorSum(square(g)), s.beta);
    return {
      w: sub(w, mul(s.learningRate, mul(s.boost, div(next, sqrt(add(1, size)))))),
      m: next,
      energy: ema(energy, neuronSum(square(next)), s.beta),
      total: size,
    };
  },
});

const rate = trapezoid({ peak: 0.05, totalSteps: 60, warmupFraction: 0.25 });
const options = {
  weightDecay: 0.1,
  clipNorm: 2,
  learningRate: rate,
  groups: [{ match: '*gain', learningRateScale: 0.5, weightDecay: 0.2 }],
};

const shapes: Record<string, number[]> = {
  'resume/kernel': [9, 5],
  'resume/sometimes': [4, 3],
  'resume/gain': [5],
};

/**
 * The optimizers that need no warmup, with norms, energies, running powers and random numbers to
 * carry over.
 */
const warmupFree: Record<string, (options: CommonOptions) => FusedOptimizer> = {
  RotationalAdamW: (options) => new RotationalAdamW(options),
  RotationalSGDM: (options) => new RotationalSGDM({ ...options, nesterov: true, perNeuron: false }),
  RotationalLion: (options) =>
    new RotationalLion({ ...options, updateNormDecay: 0, zeroMean: false }),
  LionA: (options) => new LionA({ ...options, biasCorrection: 'inverse', rrc: rrc() }),
  LionAR: (options) =>
    new LionAR({
      ...options,
      rotation: rate,
      zeroMean: true,
      exactAngle: true,
      rrc: rrc({ immediate: true, batchSize: 50 }),
    }),
  'LionAR with RRC': (options) => new LionAR({ ...options, rrc: rrc() }),
  'AdamW with RRC': (options) => new AdamW({ ...options, rrc: rrc({ start: 'none' }) }),
  RAdam: (options) => new RAdam(options),
  'GIAdam, first gradient that is not 0': (options) =>
    new GIAdam({ ...options, initialization: 'firstNonZeroGradient', initialScale: 2 }),
  'GIAdam, random': (options) => new GIAdam({ ...options, initialization: 'random', seed: 5 }),
};

const makers = { ...optimizers, ...warmupFree };

export const optimizerNames = [...Object.keys(makers), 'RuleOptimizer'];

function makeOptimizer({ name, executor }: Run): FusedOptimizer {
  if (name !== 'RuleOptimizer') return makers[name]({ ...options, executor });
  return new RuleOptimizer({
    ...options,
    executor,
    rule: everything,
    hyperparameters: { beta: 0.9 },
  });
}

const save = (name: string, tensor: tf.Tensor): SavedTensor => {
  const data = tensor.dataSync() as Float32Array | Int32Array;
  return {
    name,
    shape: tensor.shape,
    dtype: tensor.dtype as 'float32' | 'int32',
    base64: Buffer.from(data.slice().buffer).toString('base64'),
  };
};

const load = ({ shape, dtype, base64 }: SavedTensor): tf.Tensor => {
  const { buffer } = new Uint8Array(Buffer.from(base64, 'base64'));
  return tf.tensor(
    dtype === 'int32' ? new Int32Array(buffer) : new Float32Array(buffer),
    shape,
    dtype,
  );
};

/** Trains from step `from` up to `to`, from saved weights and state if there are any. */
export async function train(run: Run, from: number, to: number, saved?: Saved): Promise<Saved> {
  await useBackend(run.backend);
  const initial = saved
    ? saved.weights.map((weight) => ({ name: weight.name, tensor: load(weight) }))
    : Object.entries(shapes).map(([name, shape], i) => ({
        name,
        tensor: tf.tensor(numbers(tf.util.sizeFromShape(shape), i), shape),
      }));
  const variables = initial.map(({ name, tensor }) => tf.variable(tensor, true, name));
  tf.dispose(initial.map(({ tensor }) => tensor));
  const optimizer = makeOptimizer(run);
  if (saved) {
    const state = saved.state.map((weight) => ({ name: weight.name, tensor: load(weight) }));
    await optimizer.setWeights(state);
    tf.dispose(state.map(({ tensor }) => tensor));
  }
  for (let step = from; step < to; step++) {
    optimizer.prepare(variables);
    const gradients = variables.map((variable, i) => {
      if (variable.name === 'resume/sometimes' && step % 2)
        return step % 4 === 1 ? null : undefined;
      return tf.tidy(() =>
        tf.add(
          tf.mul(variable, 0.3),
          tf.tensor(numbers(variable.size, 1000 * i + step), variable.shape),
        ),
      );
    });
    // As model.fit does: an array with an entry for every variable.
    optimizer.applyGradients(variables.map(({ name }, i) => ({ name, tensor: gradients[i] })));
    tf.dispose(gradients.filter((gradient) => gradient !== null && gradient !== undefined));
  }
  const state = await optimizer.getWeights();
  const result = {
    run,
    weights: variables.map((variable) => save(variable.name, variable)),
    state: state.map(({ name, tensor }) => save(name, tensor)),
  };
  tf.dispose(state.map(({ tensor }) => tensor));
  optimizer.dispose();
  tf.dispose(variables);
  return result;
}
