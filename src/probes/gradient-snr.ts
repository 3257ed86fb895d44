/** The signal-to-noise ratio of a mini-batch gradient, without per-sample gradients. */
import { mul, sub, Tensor, tidy } from '@tensorflow/tfjs-core';
import { check, checkCount, checkNames, checkNumber } from '../check.js';
import { noiseShare } from '../rules/noise-share.js';
import { kindOf } from './kind-of.js';
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

/**
 * Signal and noise of a mini-batch gradient, from what training has at hand.
 *
 * From powers: a = E |g|^2 = S + N and b = E |m_hat|^2 = S + kappa_t N, so N = (a - b) / (1 -
 * kappa_t) and
 * S = (b - kappa_t a) / (1 - kappa_t). It takes the true gradient to vary slowly over 1 / (1 -
 * beta) steps, and knows
 * nothing at the first update, where it gives NaN. Lists are averaged with the decay beta, and
 * kappa_t with them.
 *
 * Negative estimates count as 0.
 *
 * From halves: S = g1 . g2 and N = |(g1 + g2) / 2|^2 - S = |g1 - g2|^2 / 4, right on average and
 * from the first step on, but as noisy as one batch is: average `signal`, which may be negative,
 * and `noise` over steps before dividing.
 *
 * @param source `{ gradientPower, momentumPower, beta, updates }` or `{ halves: [g1, g2] }`;
 * `batchSize` with both.
 * @throws for options that are unknown or out of range, and for halves of different shapes.
 * @see The use for warmup: Kosson, Messmer, Jaggi (arXiv 2410.23922); the estimate from powers was
 * derived for this
 * library. Halves and critical batch: McCandlish et al., An empirical model of large-batch training
 *   (arXiv 1812.06162), section 2.2 and appendix A.1.
 * @example
 * await gradientSNR({ gradientPower: 1.2, momentumPower: 0.4, beta: 0.9, updates: 40, batchSize: 64 });
 * const halves = [firstHalf, secondHalf].map((batch) => tf.grad((w) => loss(w, batch))(weights));
 * const { snr } = await gradientSNR({ halves });
 */
export async function gradientSNR(source: GradientPowers | GradientHalves): Promise<GradientSNR> {
  const label = 'gradientSNR';
  check(
    source !== null && typeof source === 'object',
    label,
    'source',
    'be { gradientPower, momentumPower, beta, updates } or { halves }',
    source,
  );
  if (source.batchSize !== undefined)
    checkNumber(label, 'batchSize', source.batchSize, '[1, Infinity)');
  const [signal, noise] =
    'halves' in source ? await fromHalves(label, source) : fromPowers(label, source);
  const seen = Math.max(0, signal);
  return {
    signal,
    noise,
    snr: seen / noise,
    noiseScale: noise / seen,
    ...(source.batchSize === undefined
      ? {}
      : { criticalBatchSize: (source.batchSize * noise) / seen }),
  };
}

/** Below this the powers say nothing of the noise. */
const noInformation = 1e-6;

function fromPowers(label: string, source: GradientPowers): [signal: number, noise: number] {
  checkNames(label, source, ['gradientPower', 'momentumPower', 'beta', 'updates', 'batchSize']);
  const { beta, updates } = source;
  checkNumber(label, 'beta', beta, '(0, 1)');
  checkCount(label, 'updates', updates, 1);
  const lists = [source.gradientPower, source.momentumPower].map((power) =>
    typeof power === 'number' ? [power] : Array.from(power ?? []),
  );
  const names = ['gradientPower', 'momentumPower'];
  lists.forEach((list, i) => {
    check(
      list.length > 0 && list.length <= updates && list.length === lists[0].length,
      label,
      names[i],
      'be a number, or lists of equal length with one number for each of the latest updates',
      list,
    );
    for (const power of list) checkNumber(label, names[i], power, '[0, Infinity)');
  });
  const length = lists[0].length;
  const [a, b] = lists.map((list) => runningMean(list, beta));
  const kappa = runningMean(
    Array.from({ length }, (_, i) => noiseShare(beta, updates - length + 1 + i)),
    beta,
  );
  if (1 - kappa < noInformation) return [NaN, NaN];
  return [Math.max(0, (b - kappa * a) / (1 - kappa)), Math.max(0, (a - b) / (1 - kappa))];
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

async function fromHalves(
  label: string,
  source: GradientHalves,
): Promise<[signal: number, noise: number]> {
  checkNames(label, source, ['halves', 'batchSize']);
  check(
    Array.isArray(source.halves) && source.halves.length === 2,
    label,
    'halves',
    'be two gradients',
    kindOf(source.halves),
  );
  const [first, second] = source.halves.map((half) => (half instanceof Tensor ? [half] : half));
  for (const half of [first, second])
    check(
      Array.isArray(half) && half.length > 0 && half.every((x) => x instanceof Tensor),
      label,
      'halves',
      'be tensors or lists of tensors',
      kindOf(half),
    );
  const shapes = [first, second].map((half) => half.map(({ shape }) => `[${shape}]`).join(', '));
  check(
    shapes[0] === shapes[1],
    label,
    "the second half's shapes",
    `be those of the first, ${shapes[0]}`,
    shapes[1],
  );
  const parts = await Promise.all(
    first.map(async (g1, i) => {
      const difference = tidy(() => mul(0.5, sub(g1, second[i])));
      try {
        return await Promise.all([dotProduct(g1, second[i]), dotProduct(difference, difference)]);
      } finally {
        difference.dispose();
      }
    }),
  );
  const total = (k: 0 | 1): number => parts.reduce((sum, part) => sum + part[k], 0);
  return [total(0), total(1)];
}
