/**
 * The RRC correction in float64, from signal and noise as they are defined: with S the power of the
 * mean gradient and Nz that of its noise, E|g|^2 = S + Nz and E|m_hat|^2 = S + kappa_t Nz, m_hat
 * the bias-corrected running mean of g.
 */
import { stateOf, type State } from './reference.js';

export type RRCForm = {
  readonly batchSize?: number;
  readonly minimum?: number;
  readonly immediate?: boolean;
  readonly start?: 'cautious' | 'none';
};

/** Running means of |g|^2, |m_hat|^2, 1 and kappa, all with the same weights. */
const means = (state: State): Float64Array => stateOf(state, 'rrcMeans', 4);

/**
 * The signal-to-noise ratio of the mini-batch gradient as it is known now; undefined while nothing
 * is known.
 */
export function signalToNoise(state: State): number | undefined {
  const [a, bm, one, kappa] = means(state);
  if (one - kappa <= 1e-6) return undefined;
  const noise = Math.max(0, (a - bm) / (one - kappa));
  const signal = Math.max(0, a / one - noise);
  return signal / noise;
}

function currentFactor(
  {
    batchSize: B = Infinity,
    minimum = B < Infinity ? 1 / Math.sqrt(B) : 0.05,
    start = 'cautious',
  }: RRCForm,
  state: State,
): number {
  const phiB = signalToNoise(state);
  if (phiB === undefined) return start === 'cautious' ? minimum : 1;
  const c = phiB === Infinity ? 1 / Math.sqrt(B) : Math.sqrt((1 + phiB / B) / (1 + phiB));
  return Math.max(minimum, c);
}

/** Takes the gradient of a step and gives the factor for it. */
export function rrcFactor(
  form: RRCForm,
  g: ArrayLike<number>,
  state: State,
  { beta, step: t }: { readonly beta: number; readonly step: number },
): number {
  const before = currentFactor(form, state);
  const m = stateOf(state, 'rrcMomentum', g.length);
  let [a, bm] = [0, 0];
  for (let i = 0; i < g.length; i++) {
    m[i] = beta * m[i] + (1 - beta) * g[i];
    a += g[i] ** 2;
    bm += (m[i] / (1 - beta ** t)) ** 2;
  }
  const kappa = (((1 - beta) / (1 + beta)) * (1 + beta ** t)) / (1 - beta ** t);
  // A gradient of zero says nothing of its noise.
  if (a > 0)
    [a, bm, 1, kappa].forEach(
      (value, i) => (means(state)[i] = beta * means(state)[i] + (1 - beta) * value),
    );
  return form.immediate ? currentFactor(form, state) : before;
}
