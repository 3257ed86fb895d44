/**
 * Lion. Chen et al., Symbolic discovery of optimization algorithms (arXiv 2302.06675), Algorithm 2.
 */
import { stateOf, type Reference } from './reference.js';

export const lion: Reference = (w, g, state, { learningRate, weightDecay, beta1, beta2 }) => {
  const m = stateOf(state, 'm', w.length);
  // Where c = beta1 m + (1 - beta1) g is all cancellation, float32 may see its sign otherwise: 1
  // marks such elements.
  const close = stateOf(state, 'close', w.length);
  for (let i = 0; i < w.length; i++) {
    const c = beta1 * m[i] + (1 - beta1) * g[i];
    if (Math.abs(c) < 1e-6 * (Math.abs(beta1 * m[i]) + Math.abs((1 - beta1) * g[i]))) close[i] = 1;
    w[i] = w[i] - learningRate * (Math.sign(c) + weightDecay * w[i]);
    m[i] = beta2 * m[i] + (1 - beta2) * g[i];
  }
};
