import {
  AdamW,
  GIAdam,
  LionAR,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  rrc,
  type CommonOptions,
  type FusedOptimizer,
  type LionAROptions,
} from '../../src/optimizers/index.js';
import type { Schedule } from '../../src/schedules/index.js';

/** The run's schedule, warmup included, with a peak of so many times the study's learning rate. */
export type Rate = (scale: number) => Schedule;

type Create = (rate: Rate, probe: CommonOptions['probe']) => FusedOptimizer;

/** One way to train: an optimizer, its settings and its warmup. */
export interface Experiment {
  name: string;
  /** What `--optimizers` calls it. */
  optimizer: string;
  warmupFraction: number;
  create: Create;
  /**
   * False if the optimizer keeps no running mean of the gradient, from which signal and noise could
   * be told apart.
   */
  tellsSignal: boolean;
  /**
   * How it departs from LionAR's settings, if it is there to try a setting of LionA's or of the
   * paper.
   */
  setting?: string;
}

/**
 * Alike in every run. Each row of the position table is a vector of its own, as each row of the
 * embedding is.
 */
const common = { clipNorm: 1, groups: [{ match: 'position', neuronAxis: 0 }] };

const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ...common };
const adamW: Create = (rate, probe) =>
  new AdamW({ learningRate: rate(1), weightDecay: 0.1, ...adam, probe });

/**
 * At the study's default of 0.02: matrices turn by 0.04 radians a step, gains move by 0.003. With
 * `matchAdamW` they would move by 0.23 times that, which is too little for them to grow in 400
 * steps, and nothing else can scale the logits up: the rotated matrices keep their norms.
 */
const lionAR =
  (settings: Partial<LionAROptions> = {}): Create =>
  (rate, probe) =>
    new LionAR({
      learningRate: rate(0.15),
      rotation: rate(2),
      beta: 0.9,
      nesterov: true,
      biasCorrection: 'none',
      matchAdamW: false,
      ...common,
      ...settings,
      probe,
    });

function experiment(
  optimizer: string,
  warmupFraction: number,
  create: Create,
  others: Partial<Experiment> = {},
): Experiment {
  const warmup = warmupFraction === 0 ? 'no warmup' : `${warmupFraction * 100}% warmup`;
  return {
    name: `${optimizer}, ${warmup}`,
    optimizer,
    warmupFraction,
    create,
    tellsSignal: true,
    ...others,
  };
}

/** The gap of every other run is counted from this one. */
export const baseline = 'AdamW, 10% warmup';

/** What the runs with a setting of the paper are compared with. */
export const lionARBaseline = 'LionAR, no warmup';

export const experiments: readonly Experiment[] = [
  experiment('AdamW', 0, adamW),
  experiment('AdamW', 0.1, adamW),
  experiment(
    'GIAdam',
    0,
    (rate, probe) => new GIAdam({ learningRate: rate(1), weightDecay: 0.1, ...adam, probe }),
  ),
  experiment('LionAR', 0, lionAR()),
  experiment('LionAR', 0.1, lionAR()),
  // AdamW's settings: it turns by the angle at which AdamW would settle, 0.0145 radians at the
  // peak.
  experiment(
    'RotationalAdamW',
    0,
    (rate, probe) =>
      new RotationalAdamW({ learningRate: rate(1), weightDecay: 0.1, ...adam, probe }),
  ),
  // LionAR's step for the gains, and the decay whose equilibrium is LionAR's angle.
  experiment(
    'RotationalLion',
    0,
    (rate, probe) =>
      new RotationalLion({
        learningRate: rate(0.15),
        weightDecay: 12.1,
        beta1: 0.9,
        beta2: 0.99,
        ...common,
        probe,
      }),
  ),
  // A learning rate that suits the gains, whose gradients are small, and the decay whose
  // equilibrium is LionAR's angle.
  experiment(
    'RotationalSGDM',
    0,
    (rate, probe) =>
      new RotationalSGDM({
        learningRate: rate(5),
        weightDecay: 0.0152,
        momentum: 0.9,
        ...common,
        probe,
      }),
    { tellsSignal: false },
  ),
  experiment('LionAR-matchAdamW', 0, lionAR({ matchAdamW: true }), {
    setting: "the step of the gains scaled to AdamW's size",
  }),
  experiment('LionAR-beta0.98', 0, lionAR({ beta: 0.98 }), {
    setting: 'beta 0.98 in place of 0.9',
  }),
  experiment('LionAR-noNesterov', 0, lionAR({ nesterov: false }), {
    setting: 'Nesterov switched off',
  }),
  experiment('LionAR-inverse', 0, lionAR({ biasCorrection: 'inverse' }), {
    setting: 'inverse bias correction',
  }),
  experiment('LionAR-RRC', 0, lionAR({ rrc: rrc() }), { setting: 'the RRC correction' }),
  experiment('LionAR-paper', 0, lionAR({ beta: 0.98, biasCorrection: 'inverse' }), {
    setting: 'beta 0.98 together with inverse bias correction',
  }),
];

export const optimizerNames: readonly string[] = [
  ...new Set(experiments.map(({ optimizer }) => optimizer)),
];
export const defaultOptimizers: readonly string[] = ['AdamW', 'GIAdam'];
