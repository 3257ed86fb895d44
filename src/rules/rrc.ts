/**
 * The correction of the learning rate that keeps the relative change of representations (RRC) the same whatever the
 * signal-to-noise ratio of the gradient. A reconstruction: the idea is of Kosson, Messmer, Jaggi, Analyzing and reducing
 * the need for learning rate warmup (arXiv 2410.23922); the formulas were derived for this library.
 *
 * For a mini-batch of B samples, r the share of noise in the power of its gradient:
 *   c = sqrt(r + (1 - r) / B),    sqrt(r) where B is not known.
 * It is sqrt((1 + phi) / (1 + B phi)), phi = (1 - r) / (r B) the signal-to-noise ratio of one sample. r is estimated from
 * the powers of the gradient, S + N, and of its bias-corrected momentum, S + kappa_t N, both averaged over steps;
 *   kappa_t = (1 - beta) / (1 + beta) (1 + beta^t) / (1 - beta^t).
 */
import { add, div, equal, less, maximum, minimum, mix, mul, select, sqrt, square, sub, tensorSum, type DeviceDomain, type Expression, type Operand } from '../compiler/expression.js';
import type { HostValues, Values } from '../compiler/rule.js';
import { biasCorrection } from './bias-correction.js';
import { noiseShare } from './noise-share.js';

export type RRCForm = {
  /** True to use the sums of this very step, at the price of a second sweep; else those up to the step before. */
  readonly immediate: boolean;
  /** True if the signal-to-noise ratio comes from outside, as `rrcSignalToNoise`, and no sums are needed. */
  readonly given: boolean;
};

/** Running means of the two powers, of their weights, and of the weights times 1 - kappa; the factor that they give, 0 before the first step. */
const rrcSlots = { gradientPower: 'tensor', momentumPower: 'tensor', powerWeight: 'tensor', noiseWeight: 'tensor', rrcFactor: 'tensor' } as const;
type Slots = Record<keyof typeof rrcSlots, Expression>;

/** The slots that a rule has more for its correction. */
export const slotsFor = (rrc: RRCForm | undefined): Record<string, DeviceDomain> => (rrc && !rrc.given ? rrcSlots : {});

/** Scalars; `rrcBatchSize` is 0 where it is not known, `rrcSignalToNoise` NaN where it is not known yet. */
export function rrcHost({ given }: RRCForm, { count, rrcBatchSize, rrcMinimum, rrcStart, rrcSignalToNoise }: HostValues, beta: number): Record<string, number> {
  const rrcInverseBatch = rrcBatchSize > 0 ? 1 / rrcBatchSize : 0;
  if (given) {
    const noise = 1 / (1 + rrcSignalToNoise);
    return { rrcFactor: Number.isNaN(noise) ? rrcStart : Math.max(Math.sqrt(noise + (1 - noise) * rrcInverseBatch), rrcMinimum) };
  }
  return {
    rrcDecay: beta,
    rrcNoiseShare: 1 - noiseShare(beta, count + 1),
    rrcMomentumScale: 1 / biasCorrection(beta, count + 1) ** 2,
    rrcInverseBatch,
    rrcMinimum,
    rrcStart,
  };
}

/** Below this the powers have no information yet: kappa_1 = 1. */
const noInformation = 1e-6;

/** Multiplies with a correction: what, the caller says, since only the sweep over elements can use a stored factor at once. */
export type Corrected = (x: Operand) => Expression;

/** What multiplies with the factor for the learning rate, and the new slots; `momentum` is the updated running mean of g. */
export function rrcCorrection(form: RRCForm, { g, momentum, ...slots }: Slots & { readonly g: Expression; readonly momentum: Expression }, s: Values): { corrected: Corrected; slots: Partial<Slots> } {
  if (form.given) return { corrected: (x) => mul(s.rrcFactor, x), slots: {} };
  const power = tensorSum(square(g));
  const known = (old: Expression, next: Expression | number): Expression => select(equal(power, 0), old, mix(old, next, s.rrcDecay));
  const gradientPower = known(slots.gradientPower, power);
  const momentumPower = known(slots.momentumPower, mul(s.rrcMomentumScale, tensorSum(square(momentum))));
  const powerWeight = known(slots.powerWeight, 1);
  const noiseWeight = known(slots.noiseWeight, s.rrcNoiseShare);
  const estimate = div(mul(sub(gradientPower, momentumPower), powerWeight), mul(gradientPower, noiseWeight));
  const noise = minimum(maximum(estimate, 0), 1);
  const correction = sqrt(add(noise, mul(sub(1, noise), s.rrcInverseBatch)));
  const rrcFactor = select(less(noInformation, noiseWeight), maximum(correction, s.rrcMinimum), s.rrcStart);
  // A stored factor is used as it is read: a value computed from it would have to be there before the sweep.
  const stored: Corrected = (x) => select(equal(slots.rrcFactor, 0), mul(s.rrcStart, x), mul(slots.rrcFactor, x));
  return { corrected: form.immediate ? (x) => mul(rrcFactor, x) : stored, slots: { gradientPower, momentumPower, powerWeight, noiseWeight, rrcFactor } };
}
