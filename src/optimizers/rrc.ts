/**
 * The correction of the learning rate from the gradient's signal-to-noise ratio, for the option
 * `rrc`.
 */
import { check } from '../check.js';
import { mapValues } from '../map-values.js';
import type { Correction } from '../rules/correction.js';
import { estimatedRRC, givenRRC } from '../rules/rrc.js';
import type { LearningRate } from './learning-rate.js';
import { fromConfig, toConfig, type Spec } from './saving.js';
import { parseOptions, flag, oneOf, within, type Option } from '../schema.js';

/**
 * A reconstruction of the correction of arXiv 2410.23922; see `src/rules/rrc.ts` for the formulas.
 */
export type RRCOptions = {
  /**
   * Independent samples in a batch (the tokens of a text count), at least 1. Default: not known,
   * taken as infinite.
   */
  readonly batchSize?: number;
  /** The smallest factor, in (0, 1]. Default 1 / sqrt(batchSize), or 0.05. */
  readonly minimum?: number;
  /**
   * The signal-to-noise ratio of the mini-batch gradient, for all variables, in [0, Infinity]; NaN
   * while it is not known. A number or a function of the step, which may give what `gradientSNR({
   * halves })` of `tfjs-warmup/probes` last estimated. Default: estimated for each variable from
   * the powers of its gradient and its momentum.
   */
  readonly signalToNoise?: LearningRate;
  /**
   * True to use the sums of the very step, at the price of a second sweep; else those up to the
   * step before. Default false.
   */
  readonly immediate?: boolean;
  /**
   * The factor while nothing is known: 'cautious' takes the minimum, 'none' takes 1. Default
   * 'cautious'.
   */
  readonly start?: 'cautious' | 'none';
};

/** What `rrc` gives and optimizers take. */
export type RRC = Correction & {
  /** The numbers of a step that its host needs. */
  readonly numbers: (step: number) => Readonly<Record<string, number>>;
  /** Its options as plain JSON. */
  readonly spec: Spec;
};

const kind = 'rrc';

const ratio: Option = {
  allowed: 'lie in [0, Infinity], or be NaN while it is not known',
  accepts: (value) => typeof value === 'number' && !(value < 0),
};

const schema = {
  batchSize: /* @__PURE__ */ within('[1, Infinity)'),
  minimum: /* @__PURE__ */ within('(0, 1]'),
  signalToNoise: {
    ...ratio,
    accepts: (value: unknown) => typeof value === 'function' || ratio.accepts(value),
  },
  immediate: /* @__PURE__ */ flag(false),
  start: /* @__PURE__ */ oneOf('cautious', 'none'),
};

/** The smallest factor where the batch size is not known. */
const unknownBatchMinimum = 0.05;

/**
 * Lowers the update while the gradient's signal-to-noise ratio is high, by sqrt((1 + phi) / (1 +
 * batchSize phi)), phi the ratio of one sample.
 *
 * AdamW, LionA and LionAR take it as their option `rrc`; they do not carry it otherwise. A
 * reconstruction: of the paper only abstract and captions could be read.
 *
 * @throws for an option that is unknown or out of range; at a step, if `signalToNoise` gives no
 * ratio.
 * @see Kosson, Messmer, Jaggi, Analyzing and reducing the need for learning rate warmup in GPT
 * training (arXiv 2410.23922).
 * @example
 * const optimizer = new LionA({ learningRate: 1e-3, rrc: rrc({ batchSize: 64 }) });
 */
export function rrc(options: RRCOptions = {}): RRC {
  const given = parseOptions(kind, schema, options) as RRCOptions &
    Required<Pick<RRCOptions, 'immediate' | 'start'>>;
  const {
    batchSize = Infinity,
    minimum = batchSize < Infinity ? 1 / Math.sqrt(batchSize) : unknownBatchMinimum,
    signalToNoise,
    immediate,
    start,
  } = given;
  check(
    signalToNoise === undefined || !immediate,
    kind,
    'immediate',
    'be left out with signalToNoise',
    immediate,
  );
  const form = { batchSize, minimum, start: start === 'cautious' ? minimum : 1, immediate };
  return {
    ...(signalToNoise === undefined ? estimatedRRC(form) : givenRRC(form)),
    numbers(step): Record<string, number> {
      if (signalToNoise === undefined) return {};
      const value = typeof signalToNoise === 'function' ? signalToNoise(step) : signalToNoise;
      check(ratio.accepts(value), kind, `signalToNoise at step ${step}`, ratio.allowed, value);
      return { rrcSignalToNoise: value };
    },
    get spec() {
      return {
        kind,
        ...mapValues(given as Readonly<Record<string, unknown>>, (value, name) =>
          toConfig(kind, name, value),
        ),
      };
    },
  };
}

/** From the plain-JSON form back to the correction. */
export function rrcFrom(spec: Spec): RRC {
  const { kind: _, ...options } = spec as Readonly<Record<string, unknown>>;
  return rrc(mapValues(options, (value, name) => fromConfig(kind, name, value)));
}

/** True of the plain-JSON form. */
export const isRRCSpec = (spec: Spec): boolean => spec.kind === kind;
