/**
 * Every optimizer under test: one row for each class that src/optimizers exports. What holds for
 * all of them is tested over these rows, so a new optimizer is a new row here.
 *
 * test/optimizers/registry.test.ts fails for an exported optimizer without a row.
 */
import {
  AdamW,
  GIAdam,
  Lion,
  LionA,
  LionAR,
  RAdam,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  rrc,
  RuleOptimizer,
  SGDMomentum,
  type CommonOptions,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { adamW as adamWRule, cautious, nesterov } from '../../src/rules/index.js';
import { trapezoid } from '../../src/schedules/index.js';
import { adamW, correctedAdamW } from '../reference/adamw.js';
import { cautiousAdamW } from '../reference/cautious.js';
import { everything as everythingReference } from '../reference/everything.js';
import { giAdam, giAdamFirstNonZero } from '../reference/gi-adam.js';
import { lionA } from '../reference/lion-a.js';
import { lionAR } from '../reference/lion-ar.js';
import { lion } from '../reference/lion.js';
import { nAdamW } from '../reference/nadamw.js';
import { rAdam } from '../reference/radam.js';
import type { Reference, State } from '../reference/reference.js';
import {
  prepareRotation,
  rotationalAdamW,
  rotationalLion,
  rotationalSGDM,
} from '../reference/rotational.js';
import { sgdMomentum } from '../reference/sgd-momentum.js';
import { everything, preparedBy } from './everything.js';

type Neurons = number[][];
type Slots = Readonly<Record<string, 'element' | 'neuron' | 'tensor'>>;

/** How an optimizer is set, and what is known of it then. */
type Setting = {
  /** Options beside those that every optimizer takes. */
  readonly options: Readonly<Record<string, unknown>>;
  /** One step in float64; undefined where there is none to compare with, for a stated reason. */
  readonly reference: ((neurons: Neurons) => Reference) | undefined;
  readonly slots: Slots;
  /** How the reference prepares weights and state before the first step. */
  readonly prepare?: (neurons: Neurons, w: Float64Array, state: State) => void;
  /** Set where weight vectors rotate: each neuron's, or the whole tensor's. */
  readonly rotates?: 'neuron' | 'tensor';
  /** True if its rule sums over elements without keeping the sum in a slot. */
  readonly sums?: boolean;
};

/** What another setting changes in a row. */
type Changes = Partial<Setting & Pick<Row, 'hyperparameters'>>;

type Row = Setting & {
  readonly Optimizer: new (options: never) => FusedOptimizer;
  /** At these rates 20 steps move the weights far enough to compare numbers. */
  readonly rates: { readonly learningRate: number; readonly weightDecay: number };
  /** Numbers that the reference reads, at the optimizer's defaults; `options` may change them. */
  readonly hyperparameters: Readonly<Record<string, number>>;
  /** Settings that are worth a test, by what they are; what they leave out is as in the row. */
  readonly settings?: Readonly<Record<string, Changes>>;
};

const rates = { learningRate: 0.01, weightDecay: 0.1 };
const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

const momentum: Slots = { m: 'element' };
const moments: Slots = { m: 'element', v: 'element' };
const correction: Slots = {
  gradientPower: 'tensor',
  momentumPower: 'tensor',
  powerWeight: 'tensor',
  noiseWeight: 'tensor',
  rrcFactor: 'tensor',
};
const kept = (of: 'neuron' | 'tensor'): Slots => ({ norm: of, energy: of });

const centres = (neurons: Neurons, w: Float64Array, state: State): void =>
  prepareRotation({ neurons, zeroMean: true }, w, state);
const keepsMeans = (neurons: Neurons, w: Float64Array, state: State): void =>
  prepareRotation({ neurons, zeroMean: false }, w, state);

/** Up to .05 radians a step. */
const rotationSchedule = trapezoid({ peak: 0.05, totalSteps: 60, warmupFraction: 0.25 });

const rows: readonly Row[] = [
  {
    Optimizer: AdamW,
    rates,
    options: {},
    hyperparameters: adam,
    reference: () => adamW,
    slots: moments,
    settings: {
      'look-ahead': { options: { nesterov: true }, reference: () => nAdamW },
      RRC: {
        options: { rrc: rrc() },
        reference: () => correctedAdamW({}),
        slots: { ...moments, ...correction },
      },
      'RRC at once, batch known': {
        options: { rrc: rrc({ batchSize: 100, immediate: true }) },
        reference: () => correctedAdamW({ batchSize: 100, immediate: true }),
        slots: { ...moments, ...correction },
      },
      'RRC from 1 on': {
        options: { rrc: rrc({ start: 'none' }) },
        reference: () => correctedAdamW({ start: 'none' }),
        slots: { ...moments, ...correction },
      },
    },
  },
  {
    Optimizer: GIAdam,
    rates: { learningRate: 0.01, weightDecay: 0.05 },
    options: {},
    hyperparameters: adam,
    reference: () => giAdam,
    slots: moments,
    settings: {
      'first gradient that is not 0': {
        options: { initialization: 'firstNonZeroGradient', initialScale: 2 },
        reference: () => giAdamFirstNonZero(2),
      },
      random: {
        options: { initialization: 'random', seed: 5 },
        // It starts at random numbers of the executor's.
        reference: undefined,
      },
    },
  },
  {
    Optimizer: RAdam,
    rates,
    options: {},
    hyperparameters: adam,
    reference: () => rAdam,
    slots: moments,
  },
  {
    Optimizer: SGDMomentum,
    rates: { learningRate: 0.01, weightDecay: 0.01 },
    options: {},
    hyperparameters: { momentum: 0.9 },
    reference: () => sgdMomentum(false),
    slots: momentum,
    settings: {
      Nesterov: { options: { nesterov: true }, reference: () => sgdMomentum(true) },
    },
  },
  {
    Optimizer: Lion,
    rates: { learningRate: 0.003, weightDecay: 0.3 },
    options: {},
    hyperparameters: { beta1: 0.9, beta2: 0.99 },
    reference: () => lion,
    slots: momentum,
  },
  {
    Optimizer: LionA,
    rates,
    options: {},
    hyperparameters: { beta: 0.9 },
    reference: () => lionA(),
    slots: momentum,
    settings: {
      'unmatched, plain momentum, inverse bias correction': {
        options: { matchAdamW: false, nesterov: false, biasCorrection: 'inverse', beta: 0.95 },
        reference: () => lionA({ matchAdamW: false, nesterov: false, biasCorrection: 'inverse' }),
      },
      RRC: {
        options: { rrc: rrc({ minimum: 0.2 }) },
        reference: () => lionA({ rrc: { minimum: 0.2 } }),
        slots: { ...momentum, ...correction },
      },
    },
  },
  {
    Optimizer: LionAR,
    rates,
    options: {},
    hyperparameters: { beta: 0.9 },
    reference: (neurons) => lionAR({ neurons }),
    slots: { ...momentum, norm: 'neuron' },
    prepare: keepsMeans,
    rotates: 'neuron',
    settings: {
      'as the paper found best: beta .98, Nesterov, inverse bias correction, a rotation': {
        options: { rotation: 0.04, beta: 0.98, biasCorrection: 'inverse' },
        reference: (neurons) => lionAR({ neurons, rotation: 0.04, biasCorrection: 'inverse' }),
      },
      'centred, exact angles, plain momentum, correction for noise, at the rotation of Lion': {
        options: {
          zeroMean: true,
          exactAngle: true,
          nesterov: false,
          biasCorrection: 'inverseNoise',
          equilibriumRate: 'lion',
        },
        reference: (neurons) =>
          lionAR({
            neurons,
            zeroMean: true,
            exactAngle: true,
            nesterov: false,
            biasCorrection: 'inverseNoise',
            equilibriumRate: 'lion',
          }),
        prepare: centres,
      },
      'one angle for the tensor, RRC with a known batch': {
        options: { perNeuron: false, rrc: rrc({ batchSize: 32 }) },
        reference: (neurons) => lionAR({ neurons, rrc: { batchSize: 32 } }),
        slots: { ...momentum, norm: 'tensor', ...correction },
        rotates: 'tensor',
      },
      RRC: {
        options: { rrc: rrc() },
        reference: (neurons) => lionAR({ neurons, rrc: {} }),
        slots: { ...momentum, norm: 'neuron', ...correction },
      },
      'RRC at once': {
        options: { rrc: rrc({ immediate: true, start: 'none' }) },
        reference: (neurons) => lionAR({ neurons, rrc: { immediate: true, start: 'none' } }),
        slots: { ...momentum, norm: 'neuron', ...correction },
      },
      'a scheduled rotation, centred, exact angles': {
        options: { rotation: rotationSchedule, zeroMean: true, exactAngle: true },
        reference: (neurons) => (w, g, state, options) =>
          lionAR({
            neurons,
            rotation: rotationSchedule(options.step - 1),
            zeroMean: true,
            exactAngle: true,
          })(w, g, state, options),
        prepare: centres,
      },
    },
  },
  {
    Optimizer: RotationalAdamW,
    rates,
    options: {},
    hyperparameters: adam,
    reference: (neurons) => rotationalAdamW({ neurons }),
    slots: { ...moments, ...kept('neuron') },
    prepare: centres,
    rotates: 'neuron',
    settings: {
      'uncentred, at the rotation of Lion, other betas': {
        options: {
          zeroMean: false,
          updateNormDecay: 0.5,
          beta1: 0.8,
          beta2: 0.95,
          equilibriumRate: 'lion',
        },
        reference: (neurons) =>
          rotationalAdamW({
            neurons,
            zeroMean: false,
            updateNormDecay: 0.5,
            rotation: () => Math.sqrt(Math.PI * 1e-3 * (0.2 ** 2 + (0.8 ** 2 * 0.05) / 1.95)),
          }),
        prepare: keepsMeans,
      },
      'one norm for the tensor': {
        options: { perNeuron: false },
        slots: { ...moments, ...kept('tensor') },
        rotates: 'tensor',
      },
    },
  },
  {
    Optimizer: RotationalSGDM,
    rates,
    options: {},
    hyperparameters: { momentum: 0.9 },
    reference: (neurons) => rotationalSGDM({ neurons }),
    slots: { ...momentum, ...kept('neuron') },
    prepare: centres,
    rotates: 'neuron',
    settings: {
      'Nesterov and a rotation of its own': {
        options: {
          nesterov: true,
          momentum: 0.8,
          equilibriumRate: (values: { learningRate: number; weightDecay: number; beta1: number }) =>
            20 * values.learningRate * values.weightDecay * values.beta1,
        },
        reference: (neurons) => rotationalSGDM({ neurons, rotation: () => 0.016 }, true),
      },
      'Nesterov, one norm for the tensor': {
        options: { nesterov: true, perNeuron: false },
        reference: (neurons) => rotationalSGDM({ neurons }, true),
        slots: { ...momentum, ...kept('tensor') },
        rotates: 'tensor',
      },
    },
  },
  {
    Optimizer: RotationalLion,
    rates,
    options: {},
    hyperparameters: { beta1: 0.9, beta2: 0.99 },
    reference: (neurons) => rotationalLion({ neurons }),
    slots: { ...momentum, ...kept('neuron') },
    prepare: centres,
    rotates: 'neuron',
    settings: {
      'uncentred, no averaging': {
        options: { zeroMean: false, updateNormDecay: 0 },
        reference: (neurons) => rotationalLion({ neurons, zeroMean: false, updateNormDecay: 0 }),
        slots: { ...momentum, norm: 'neuron' },
        prepare: keepsMeans,
      },
    },
  },
  {
    Optimizer: RuleOptimizer,
    rates,
    options: { rule: everything, hyperparameters: { beta: 0.9 } },
    hyperparameters: { beta: 0.9 },
    reference: everythingReference,
    slots: { m: 'element', energy: 'neuron', total: 'tensor' },
    prepare: (_, w) => w.forEach((value, i) => (w[i] = preparedBy * value)),
    settings: {
      'nesterov(adamW())': {
        options: { rule: nesterov(adamWRule()) },
        hyperparameters: adam,
        reference: () => nAdamW,
        slots: moments,
        prepare: undefined,
      },
      'cautious(adamW())': {
        options: { rule: cautious(adamWRule()) },
        hyperparameters: adam,
        reference: () => cautiousAdamW,
        slots: moments,
        sums: true,
        prepare: undefined,
      },
    },
  },
];

/** An optimizer in one of its settings. */
export type OptimizerCase = Setting &
  Pick<Row, 'rates' | 'hyperparameters'> & {
    /** The class's name; then, if it is not as by default, how it is set. */
    readonly name: string;
    readonly className: string;
    /** An optimizer of this setting, with options that every optimizer takes. */
    readonly make: (options: CommonOptions) => FusedOptimizer;
  };

const numbersIn = (options: Setting['options']): Record<string, number> =>
  Object.fromEntries(
    Object.entries(options).filter(
      (option): option is [string, number] => typeof option[1] === 'number',
    ),
  );

function caseOf(row: Row, setting = '', changes: Changes = {}): OptimizerCase {
  const { Optimizer, settings: _, ...common } = row;
  const merged = { ...common, ...changes };
  return {
    ...merged,
    name: setting ? `${Optimizer.name}, ${setting}` : Optimizer.name,
    className: Optimizer.name,
    hyperparameters: {
      ...row.hyperparameters,
      ...changes.hyperparameters,
      ...numbersIn(merged.options),
    },
    make: (options) => new Optimizer({ ...merged.options, ...options } as never),
  };
}

/** Each optimizer as it is by default. */
export const defaultCases: readonly OptimizerCase[] = rows.map((row) => caseOf(row));

/**
 * The optimizers that step variables of any rank, by name. A rotational one refuses to start where
 * no variable can rotate: beside a single vector or scalar, or without weight decay.
 */
export const makersOfAnyRank: Readonly<Record<string, OptimizerCase['make']>> = Object.fromEntries(
  defaultCases.flatMap(({ name, make, rotates }) => (rotates ? [] : [[name, make]])),
);

/** Each optimizer in each of its settings. */
export const optimizerCases: readonly OptimizerCase[] = rows.flatMap((row) => [
  caseOf(row),
  ...Object.entries(row.settings ?? {}).map(([setting, changes]) => caseOf(row, setting, changes)),
]);

/** The case of a name, such as 'AdamW, RRC'. */
export function caseNamed(name: string): OptimizerCase {
  const found = optimizerCases.find((one) => one.name === name);
  if (!found) throw new Error(`test/support/optimizers.ts has no case '${name}'`);
  return found;
}

/** The classes that have a row. */
export const testedClasses: readonly Row['Optimizer'][] = rows.map(({ Optimizer }) => Optimizer);
