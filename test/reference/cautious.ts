/**
 * Cautious optimizers. Liang et al., Cautious optimizers: Improving training with one line of code
 * (arXiv 2411.16085), Algorithm 1.
 */
import { adamW } from './adamw.js';
import type { Reference } from './reference.js';
import { sgdMomentum } from './sgd-momentum.js';

/** u mask size / (sum(mask) + 1), mask = 1 where u g > 0, else 0. */
function masked(u: Float64Array, g: Float64Array): Float64Array {
  const mask = u.map((value, i) => (value * g[i] > 0 ? 1 : 0));
  const scale = mask.length / (mask.reduce((sum, value) => sum + value, 0) + 1);
  return u.map((value, i) => value * mask[i] * scale);
}

/** The decay is not masked. */
export const cautiousAdamW: Reference = (w, g, state, options) => {
  const { learningRate, weightDecay } = options;
  // From w = 0 AdamW arrives at -u.
  const moved = new Float64Array(w.length);
  adamW(moved, g, state, options);
  const u = masked(
    moved.map((value) => -value),
    g,
  );
  for (let i = 0; i < w.length; i++) w[i] = w[i] * (1 - learningRate * weightDecay) - u[i];
};

/** The decay is part of the step. */
export const cautiousSGDMomentum =
  (nesterov: boolean): Reference =>
  (w, g, state, options) => {
    const moved = w.slice();
    sgdMomentum(nesterov)(moved, g, state, options);
    const u = masked(
      w.map((value, i) => value - moved[i]),
      g,
    );
    for (let i = 0; i < w.length; i++) w[i] -= u[i];
  };
