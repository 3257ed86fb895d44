/** Signal and noise of a variable's gradient, from the sums that the update probe reads. */
import { biasCorrection } from '../rules/bias-correction.js';
import { noiseShare } from '../rules/noise-share.js';

/** What a probed step leaves on the host of a variable. */
export type VariableAtStep = {
  readonly name: string;
  /** Updates before this one. */
  readonly count: number;
  /** The hyperparameter by which the momentum decays, if it is a running mean of the gradient. */
  readonly momentumDecay?: string;
  readonly hostValues: Readonly<Record<string, number>>;
};

/** Sums over the weights of a variable, or over those of each of its neurons. */
export type ReadSums = Readonly<Record<string, ArrayLike<number>>>;

/** Signal and noise power, or undefined while nothing is known. */
export type Signal = { readonly signal: number; readonly noise: number } | undefined;

/**
 * Least part of the noise that the averaging must have removed: at the first update the momentum is
 * the gradient itself, and the two powers say nothing of the noise.
 */
export const leastNoiseSeen = 1e-6;

/** Running means, each of them too small by the factor `weight`. */
type Averages = {
  readonly gradientPower: number;
  readonly momentumPower: number;
  /** Of kappa_t, the share of the noise that is left in the momentum. */
  readonly noiseShare: number;
  readonly weight: number;
};

const none: Averages = { gradientPower: 0, momentumPower: 0, noiseShare: 0, weight: 0 };

/**
 * The running estimate of signal power S and noise power N from |g|^2 = S + N and |m_hat|^2 = S +
 * kappa_t N, with m_hat = m / (1 - beta^t), all averaged over the readings with the momentum's own
 * decay beta. Both powers come out too small by one common factor, which their ratios lose. Derived
 * from the mean of an exponential average; the use for the learning rate is of Kosson, Messmer,
 * Jaggi (arXiv 2410.23922).
 */
export class SignalAverages {
  readonly #averages = new Map<string, Averages>();

  /** Takes in the readings of a step. */
  update({ name, count, momentumDecay, hostValues }: VariableAtStep, sums: ReadSums): Signal {
    if (!sums.scaledGradient || !sums.mean || momentumDecay === undefined) return undefined;
    const beta = hostValues[momentumDecay];
    const old = this.#averages.get(name) ?? none;
    const averages = {
      gradientPower: beta * old.gradientPower + (1 - beta) * sums.scaledGradient[0],
      momentumPower:
        beta * old.momentumPower +
        (1 - beta) * (sums.mean[0] / biasCorrection(beta, count + 1) ** 2),
      noiseShare: beta * old.noiseShare + (1 - beta) * noiseShare(beta, count + 1),
      weight: beta * old.weight + (1 - beta),
    };
    this.#averages.set(name, averages);
    return signalIn(averages);
  }
}

function signalIn({ gradientPower, momentumPower, noiseShare, weight }: Averages): Signal {
  const kappa = noiseShare / weight;
  if (1 - kappa < leastNoiseSeen) return undefined;
  return {
    signal: Math.max(0, momentumPower - kappa * gradientPower),
    noise: Math.max(0, gradientPower - momentumPower),
  };
}
