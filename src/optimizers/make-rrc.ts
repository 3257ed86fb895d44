/** `rrc`: from its options to the correction that the option `rrc` of an optimizer takes. */
import { check } from '../check.js';
import type { Correction } from '../rules/correction.js';
import { estimatedRRC, givenRRC } from '../rules/rrc.js';
import type { LearningRate } from './learning-rate.js';
import { fromConfig, toConfig, type Spec } from './config.js';
import { parseOptions, flag, oneOf, within, type Option } from '../schema.js';

/**
 * Options of {@link rrc}, a reconstruction of the correction of arXiv 2410.23922; see
 * `src/rules/rrc.ts` for the formulas.
 */
export type RRCOptions = {
  /**
   * Independent samples in a batch (the tokens of a text count), at least 1.
   * @defaultValue not known, taken as infinite
   */
  readonly batchSize?: number;
  /**
   * The smallest factor, in (0, 1].
   * @defaultValue 1 / sqrt(batchSize), or 0.05 where batchSize is not given
   */
  readonly minimum?: number;
  /**
   * The signal-to-noise ratio of the mini-batch gradient, for all variables, in [0, Infinity]; NaN
   * while it is not known. A number or a function of the step, which may give what `gradientSNR({
   * halves })` of `tfjs-warmup/probes` last estimated.
   * @defaultValue estimated for each variable from the powers of its gradient and its momentum
   */
  readonly signalToNoise?: LearningRate;
  /**
   * True to use the sums of the very step, at the price of a second sweep; else those up to the
   * step before.
   * @defaultValue false
   */
  readonly immediate?: boolean;
  /**
   * The factor while nothing is known: 'cautious' takes the minimum, 'none' takes 1.
   * @defaultValue 'cautious'
   */
  readonly start?: 'cautious' | 'none';
};

/** What `rrc` returns and optimizers take. */
export type RRC = Correction & {
  /** The host values of a step that it needs. */
  readonly stepValues: (step: number) => Readonly<Record<string, number>>;
  /** Its options as plain JSON. */
  readonly spec: { readonly kind: string };
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
 * AdamW, LionA and LionAR take it as their option `rrc`; they do not carry its code otherwise. A
 * reconstruction: of the paper only abstract and captions could be read.
 *
 * @param options - See {@link RRCOptions}.
 * @returns The value of the option `rrc`.
 * @throws {Error} if an option is unknown or out of range; at a step, if `signalToNoise` gives no
 * ratio.
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer, Jaggi, Analyzing and reducing the
 * need for learning rate warmup in GPT training}
 * @example
 * import { LionA, rrc } from 'tfjs-warmup/optimizers';
 *
 * const optimizer = new LionA({ learningRate: 1e-3, rrc: rrc({ batchSize: 64 }) });
 * optimizer.getConfig().rrc; // { kind: 'rrc', batchSize: 64, immediate: false, start: 'cautious' }
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
  const settings = { batchSize, minimum, start: start === 'cautious' ? minimum : 1, immediate };
  return {
    ...(signalToNoise === undefined ? estimatedRRC(settings) : givenRRC(settings)),
    stepValues(step): Record<string, number> {
      if (signalToNoise === undefined) return {};
      const value = typeof signalToNoise === 'function' ? signalToNoise(step) : signalToNoise;
      check(ratio.accepts(value), kind, `signalToNoise at step ${step}`, ratio.allowed, value);
      return { rrcSignalToNoise: value };
    },
    get spec() {
      return {
        kind,
        ...toConfig(kind, given),
      };
    },
  };
}

/** The correction from its options as plain JSON. */
export function rrcFrom(spec: Spec): RRC {
  const { kind: _, ...options } = spec as Readonly<Record<string, unknown>>;
  return rrc(fromConfig(kind, options));
}

/** True of a correction's options as plain JSON. */
export const isRRCSpec = (spec: Spec): boolean => spec.kind === kind;
