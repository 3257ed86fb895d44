/**
 * The correction of the learning rate that keeps the relative change of representations (RRC) the
 * same whatever the signal-to-noise ratio of the gradient. A reconstruction: the idea is of Kosson,
 * Messmer, Jaggi, Analyzing and reducing the need for learning rate warmup (arXiv 2410.23922); the
 * formulas were derived for this library.
 *
 * For a mini-batch of B samples, r the share of noise in the power of its gradient:
 *   c = sqrt(r + (1 - r) / B),    sqrt(r) where B is not known.
 * It is sqrt((1 + phi) / (1 + B phi)), phi = (1 - r) / (r B) the signal-to-noise ratio of one
 * sample. r is estimated from the powers of the gradient, S + N, and of its bias-corrected
 * momentum, S + kappa_t N, both averaged over steps;
 *   kappa_t = (1 - beta) / (1 + beta) (1 + beta^t) / (1 - beta^t).
 * float64 reference: test/reference/rrc.ts.
 */
import {
  abs,
  add,
  div,
  equal,
  less,
  maximum,
  minimum,
  ema,
  mul,
  neg,
  select,
  sqrt,
  square,
  sub,
  tensorSum,
  type Expression,
  type Operand,
} from '../compiler/expression.js';
import { biasCorrection } from './bias-correction.js';
import type { Correction } from './correction.js';
import { noiseShare } from './noise-share.js';

export type RRCForm = {
  /** Samples in a batch; Infinity where it is not known. */
  readonly batchSize: number;
  /** The smallest factor. */
  readonly minimum: number;
  /** The factor while nothing is known. */
  readonly start: number;
  /**
   * True to use the sums of this very step, at the price of a second sweep; else those up to the
   * step before.
   */
  readonly immediate: boolean;
};

/**
 * Running means of the two powers, of their weights, and of the weights times 1 - kappa; the factor
 * that they give, 0 before the first step.
 */
const slots = {
  gradientPower: 'tensor',
  momentumPower: 'tensor',
  powerWeight: 'tensor',
  noiseWeight: 'tensor',
  rrcFactor: 'tensor',
} as const;

/** Below this the powers have no information yet: kappa_1 = 1. */
const noInformation = 1e-6;

/** Squares of values below this cannot overflow, even 2^27 of them and corrected for bias. */
const large = 2 ** 40;
/** Scales larger values so that neither their squares nor averages of these leave float32. */
const largeScale = 2 ** -88;

const scaleDown = (power: Operand): Expression => mul(mul(power, largeScale), largeScale);
const scaleUp = (power: Operand): Expression => mul(mul(power, 1 / largeScale), 1 / largeScale);

// A power is stored as it is, or, where values are too large for that, negative and scaled down.

/** True where one of two powers is scaled down. */
const isScaled = (a: Expression, b = a): Expression => less(minimum(a, b), 0);
const scaled = (power: Expression): Expression =>
  select(isScaled(power), neg(power), scaleDown(power));
/** A power that is scaled down, in the form in which it is stored. */
const unscaled = (power: Expression): Expression =>
  select(less(power, scaleDown(2 ** 100)), scaleUp(power), neg(power));

/** The sum of squares. */
function powerOf(x: Expression): Expression {
  const isOrdinary = less(abs(x), large);
  const ordinary = tensorSum(square(select(isOrdinary, x, 0)));
  const others = tensorSum(square(mul(select(isOrdinary, 0, x), largeScale)));
  return select(equal(others, 0), ordinary, neg(add(others, scaleDown(ordinary))));
}

/** The running mean of powers after one more. */
const averagePower = (average: Expression, power: Expression, decay: Operand): Expression =>
  select(
    isScaled(average, power),
    unscaled(ema(scaled(average), scaled(power), decay)),
    ema(average, power, decay),
  );

/** (a - b) / a of two powers, its numerator times `weights[0]`, its denominator times `weights[1]`. */
function share(a: Expression, b: Expression, weights: readonly [Operand, Operand]): Expression {
  const inOneScale = (power: Expression) => select(isScaled(a, b), scaled(power), power);
  return div(mul(sub(inOneScale(a), inOneScale(b)), weights[0]), mul(inOneScale(a), weights[1]));
}

/** The correction from the powers of each variable's gradient and momentum. */
export const estimatedRRC = ({
  batchSize,
  minimum: smallest,
  start,
  immediate,
}: RRCForm): Correction => ({
  slots,
  host: ({ count }, beta) => ({
    rrcDecay: beta,
    rrcNoiseShare: 1 - noiseShare(beta, count + 1),
    rrcMomentumScale: 1 / biasCorrection(beta, count + 1) ** 2,
    rrcInverseBatch: 1 / batchSize,
    rrcMinimum: smallest,
    rrcStart: start,
  }),
  correct({ g, momentum, ...old }, s) {
    const power = powerOf(g);
    const ofMomentum = mul(s.rrcMomentumScale, powerOf(momentum));
    // A gradient of zero says nothing of its noise.
    const known = (before: Expression, next: Expression): Expression =>
      select(equal(power, 0), before, next);
    const average = (before: Expression, next: Expression): Expression =>
      known(before, averagePower(before, next, s.rrcDecay));
    const weight = (before: Expression, next: Operand): Expression =>
      known(before, ema(before, next, s.rrcDecay));
    const gradientPower = average(old.gradientPower, power);
    const momentumPower = average(old.momentumPower, ofMomentum);
    const powerWeight = weight(old.powerWeight, 1);
    const noiseWeight = weight(old.noiseWeight, s.rrcNoiseShare);
    const estimate = share(gradientPower, momentumPower, [powerWeight, noiseWeight]);
    const noise = minimum(maximum(estimate, 0), 1);
    const factor = sqrt(add(noise, mul(sub(1, noise), s.rrcInverseBatch)));
    const rrcFactor = select(
      less(noInformation, noiseWeight),
      maximum(factor, s.rrcMinimum),
      s.rrcStart,
    );
    // A stored factor multiplies as it is read: a value computed from it would have to be there
    // before the sweep.
    const byStored = (x: Operand) =>
      select(equal(old.rrcFactor, 0), mul(s.rrcStart, x), mul(old.rrcFactor, x));
    return {
      scale: immediate ? (x) => mul(rrcFactor, x) : byStored,
      slots: { gradientPower, momentumPower, powerWeight, noiseWeight, rrcFactor },
    };
  },
});

/**
 * The correction from a signal-to-noise ratio that comes from outside, as `rrcSignalToNoise`, NaN
 * where it is not known; it keeps nothing.
 */
export const givenRRC = ({ batchSize, minimum: smallest, start }: RRCForm): Correction => ({
  slots: {},
  host({ rrcSignalToNoise }) {
    const noise = 1 / (1 + rrcSignalToNoise);
    return {
      rrcFactor: Number.isNaN(noise)
        ? start
        : Math.max(Math.sqrt(noise + (1 - noise) / batchSize), smallest),
    };
  },
  correct: (_, s) => ({ scale: (x) => mul(s.rrcFactor, x), slots: {} }),
});
