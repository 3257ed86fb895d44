/**
 * AdamW. Loshchilov and Hutter, Decoupled weight decay regularization (arXiv 1711.05101), Algorithm
 * 2, lines 6 to 12.
 */
import { stateOf, type Reference } from './reference.js';
import { rrcFactor, type RRCForm } from './rrc.js';

export const adamW: Reference = (
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
    const vHat = v[i] / (1 - beta2 ** step);
    w[i] =
      w[i] * (1 - learningRate * weightDecay) - (learningRate * mHat) / (Math.sqrt(vHat) + epsilon);
  }
};

/** The RRC correction scales AdamW's step and leaves its decay. */
export const correctedAdamW =
  (form: RRCForm): Reference =>
  (w, g, state, options) => {
    const { beta1, learningRate, weightDecay, step } = options;
    const factor = rrcFactor(form, g, state, { beta: beta1, step });
    const before = w.slice();
    adamW(w, g, state, { ...options, weightDecay: 0 });
    for (let i = 0; i < w.length; i++)
      w[i] = before[i] * (1 - learningRate * weightDecay) + factor * (w[i] - before[i]);
  };
