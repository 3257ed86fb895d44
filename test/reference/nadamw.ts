/**
 * NAdamW: Adam with Nesterov's look-ahead and a constant beta1, and decoupled weight decay. Dozat,
 * Incorporating Nesterov momentum into Adam (ICLR 2016 workshop); the decay as in AdamW.
 */
import { stateOf, type Reference } from './reference.js';

export const nAdamW: Reference = (
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
    const mHat =
      (beta1 * m[i]) / (1 - beta1 ** (step + 1)) + ((1 - beta1) * g[i]) / (1 - beta1 ** step);
    const vHat = v[i] / (1 - beta2 ** step);
    w[i] =
      w[i] * (1 - learningRate * weightDecay) - (learningRate * mHat) / (Math.sqrt(vHat) + epsilon);
  }
};
