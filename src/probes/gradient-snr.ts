/** The signal-to-noise ratio of a mini-batch gradient, without per-sample gradients. */
import { mul, sub, Tensor, tidy } from '@tensorflow/tfjs-core';
import { check, checkNumber } from '../check.js';
import { noiseShare } from '../rules/noise-share.js';
import { count, parseOptions, required, within, type Option } from '../schema.js';
import { checkKind, kindOf } from '../kind-of.js';
import { leastNoiseSeen } from './signal-averages.js';
import { dotProduct } from './sums.js';

/** Powers of a gradient and of its running mean, as an optimizer with momentum has them. */
export type GradientPowers = {
  /**
   * |g|^2, averaged over some steps: S + N. A list gives it for the latest steps, oldest first, to
   * be averaged here.
   */
  readonly gradientPower: number | ArrayLike<number>;
  /**
   * |m / (1 - beta^t)|^2, averaged in the same way, for m <- beta m + (1 - beta) g. A list as for
   * `gradientPower`.
   */
  readonly momentumPower: number | ArrayLike<number>;
  /** The decay of m, in (0, 1). */
  readonly beta: number;
  /** Updates that m has had by the last of these steps, at least 1: t. */
  readonly updates: number;
  /** Samples in a batch, for `criticalBatchSize`. */
  readonly batchSize?: number;
};

/** Gradients of the two halves of one batch, at the same weights. */
export type GradientHalves = {
  /** A tensor each, or a list of tensors each, one for each variable. */
  readonly halves: readonly [Tensor | readonly Tensor[], Tensor | readonly Tensor[]];
  /** Samples in the whole batch, for `criticalBatchSize`. */
  readonly batchSize?: number;
};

/** What {@link gradientSNR} estimates; powers are in squared units of the gradient. */
export type GradientSNR = {
  /**
   * S: the power of the gradient over all data, |E g|^2. From halves it can be below 0, so that its
   * average is right.
   */
  readonly signal: number;
  /** N: the power of the noise that the mini-batch adds, E |g - E g|^2. */
  readonly noise: number;
  /**
   * S / N, with 0 for an S below it; Infinity where no noise is seen, NaN where nothing is known
   * yet.
   */
  readonly snr: number;
  /** N / S, in batches of the present size. */
  readonly noiseScale: number;
  /**
   * B N / S in samples, for a batch of B: beyond it larger batches hardly help. Only where
   * `batchSize` was given.
   */
  readonly criticalBatchSize?: number;
};

/** A part of the gradient's power: that of its mean, and that of its noise. */
type SignalAndNoise = readonly [signal: number, noise: number];

const label = 'gradientSNR';

const batchSize = within('[1, Infinity)');

/** The length of the lists is checked where both are at hand. */
const power: Option = {
  required: true,
  allowed: 'be a number, or lists of equal length with one number for each of the latest updates',
  accepts: (given) => powersIn(given as GradientPowers['gradientPower']).length > 0,
};

const powersSchema = {
  gradientPower: power,
  momentumPower: power,
  beta: required(within('(0, 1)')),
  updates: required(count(1)),
  batchSize,
};

const halvesSchema = {
  halves: {
    required: true,
    allowed: 'be two gradients',
    accepts: (given: unknown) => Array.isArray(given) && given.length === 2,
    describe: kindOf,
  },
  batchSize,
};

/**
 * Signal and noise of a mini-batch gradient, from what training has at hand.
 *
 * From powers: a = E |g|^2 = S + N and b = E |m_hat|^2 = S + kappa_t N, so N = (a - b) /
 * (1 - kappa_t) and S = (b - kappa_t a) / (1 - kappa_t), where m_hat = m / (1 - beta^t) and
 * kappa_t = (1 - beta) / (1 + beta) (1 + beta^t) / (1 - beta^t). It takes the true gradient to vary
 * slowly over 1 / (1 - beta) steps, and knows nothing at the first update, where it gives NaN.
 * Lists are averaged with the decay beta, and kappa_t with them. Negative estimates count as 0.
 *
 * From halves: S = g1 . g2 and N = |(g1 + g2) / 2|^2 - S = |g1 - g2|^2 / 4, right on average and
 * from the first step on, but as noisy as one batch is: average `signal`, which may be negative,
 * and `noise` over steps before dividing.
 *
 * The estimate from powers was derived for this library.
 *
 * @param source - `{ gradientPower, momentumPower, beta, updates }` or `{ halves: [g1, g2] }`, with
 *   both `batchSize`.
 * @returns Signal, noise and what follows from them.
 * @throws {Error} if an option is unknown or out of range, or the halves differ in their shapes.
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer and Jaggi, Analyzing and reducing
 *   the need for learning rate warmup}, for its use in warmup
 * @see {@link https://arxiv.org/abs/1812.06162 | McCandlish et al., An empirical model of
 *   large-batch training, section 2.2 and appendix A.1}, for halves and the critical batch size
 * @example
 * const powers = { gradientPower: 1.2, momentumPower: 0.4, beta: 0.9, updates: 40 };
 * const { criticalBatchSize } = await gradientSNR({ ...powers, batchSize: 64 });
 * Math.round(criticalBatchSize); // 153
 *
 * const halves = [firstHalf, secondHalf].map((batch) => tf.grad((w) => loss(w, batch))(weights));
 * const { snr } = await gradientSNR({ halves });
 * snr >= 0; // true
 */
export async function gradientSNR(source: GradientPowers | GradientHalves): Promise<GradientSNR> {
  check(
    source !== null && typeof source === 'object',
    label,
    'source',
    'be { gradientPower, momentumPower, beta, updates } or { halves }',
    source,
  );
  const [signal, noise] = 'halves' in source ? await fromHalves(source) : fromPowers(source);
  const seen = Math.max(0, signal);
  const found = { signal, noise, snr: seen / noise, noiseScale: noise / seen };
  const { batchSize } = source;
  return batchSize === undefined
    ? found
    : { ...found, criticalBatchSize: (batchSize * noise) / seen };
}

function fromPowers(source: GradientPowers): SignalAndNoise {
  const { gradientPower, momentumPower, beta, updates } = parseOptions(
    label,
    powersSchema,
    source,
  ) as GradientPowers;
  const gradientPowers = powersIn(gradientPower);
  const momentumPowers = powersIn(momentumPower);
  const { length } = gradientPowers;
  checkPowers('gradientPower', gradientPowers, length <= updates);
  checkPowers('momentumPower', momentumPowers, momentumPowers.length === length);

  const a = runningMean(gradientPowers, beta);
  const b = runningMean(momentumPowers, beta);
  const first = updates - length + 1;
  const kappa = runningMean(
    gradientPowers.map((_, i) => noiseShare(beta, first + i)),
    beta,
  );
  if (1 - kappa < leastNoiseSeen) return [NaN, NaN];
  return [Math.max(0, (b - kappa * a) / (1 - kappa)), Math.max(0, (a - b) / (1 - kappa))];
}

const powersIn = (powers: number | ArrayLike<number> | undefined): number[] =>
  typeof powers === 'number' ? [powers] : Array.from(powers ?? []);

function checkPowers(name: string, powers: readonly number[], lengthFits: boolean): void {
  check(lengthFits, label, name, power.allowed, powers);
  for (const value of powers) checkNumber(label, name, value, '[0, Infinity)');
}

/** The mean with weights that decay by beta a step into the past. */
function runningMean(values: readonly number[], beta: number): number {
  let [sum, weight] = [0, 0];
  for (const value of values) {
    sum = beta * sum + value;
    weight = beta * weight + 1;
  }
  return sum / weight;
}

async function fromHalves(source: GradientHalves): Promise<SignalAndNoise> {
  const { halves } = parseOptions(label, halvesSchema, source) as GradientHalves;
  const [first, second] = halves.map(tensorsOf);
  const [shapes, otherShapes] = [shapesOf(first), shapesOf(second)];
  check(
    shapes === otherShapes,
    label,
    "the second half's shapes",
    `be those of the first, ${shapes}`,
    otherShapes,
  );
  const parts = await Promise.all(first.map((g1, i) => signalAndNoise(g1, second[i])));
  return [
    parts.reduce((sum, [signal]) => sum + signal, 0),
    parts.reduce((sum, [, noise]) => sum + noise, 0),
  ];
}

function tensorsOf(half: Tensor | readonly Tensor[]): readonly Tensor[] {
  const tensors = half instanceof Tensor ? [half] : half;
  checkKind(
    Array.isArray(tensors) && tensors.length > 0 && tensors.every((x) => x instanceof Tensor),
    label,
    'halves',
    'be tensors or lists of tensors',
    tensors,
  );
  return tensors;
}

const shapesOf = (tensors: readonly Tensor[]): string =>
  tensors.map(({ shape }) => `[${shape}]`).join(', ');

/** g1 . g2 and |g1 - g2|^2 / 4 of one variable. */
async function signalAndNoise(g1: Tensor, g2: Tensor): Promise<SignalAndNoise> {
  const difference = tidy(() => mul(0.5, sub(g1, g2)));
  try {
    return await Promise.all([dotProduct(g1, g2), dotProduct(difference, difference)]);
  } finally {
    difference.dispose();
  }
}
