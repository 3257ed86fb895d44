/**
 * RAdam. Liu et al., On the variance of the adaptive learning rate and beyond (arXiv 1908.03265),
 * Algorithm 2; threshold 5 as in torch and Optax.
 */
import { stateOf, type Reference } from './reference.js';

/** rho_t, the length of the simple moving average that Adam's second moment amounts to. */
export function averageLength(beta2: number, t: number): number {
  return 2 / (1 - beta2) - 1 - (2 * t * beta2 ** t) / (1 - beta2 ** t);
}

/** The rectification omega_t. */
export function omega(beta2: number, t: number): number {
  const rho = averageLength(beta2, t);
  const longest = 2 / (1 - beta2) - 1;
  return Math.sqrt(((rho - 4) * (rho - 2) * longest) / ((longest - 4) * (longest - 2) * rho));
}

export const rAdam: Reference = (
  w,
  g,
  state,
  { learningRate, weightDecay, beta1, beta2, epsilon, step },
) => {
  const m = stateOf(state, 'm', w.length);
  const v = stateOf(state, 'v', w.length);
  for (let i = 0; i < w.length; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * g[i];
    v[i] = beta2 * v[i] + (1 - beta2) * g[i] ** 2;
    const mHat = m[i] / (1 - beta1 ** step);
    const root = Math.sqrt(v[i] / (1 - beta2 ** step));
    const u =
      averageLength(beta2, step) > 5 ? (omega(beta2, step) * mHat) / (root + epsilon) : mHat;
    w[i] = w[i] * (1 - learningRate * weightDecay) - learningRate * u;
  }
};
