/** The rule of test/support/everything.ts in float64. */
import { pick, dot } from './neurons.js';
import { stateOf, type Reference } from './reference.js';

/**
 * m <- b m + (1 - b) g; total <- b total + (1 - b) |g|^2; w <- w - eta (1 + 1 / t) m / sqrt(1 +
 * total); energy <- b energy + (1 - b) |m|^2 in each neuron, |w|^2 at first.
 */
export const everything =
  (neurons: readonly number[][]): Reference =>
  (w, g, state, { learningRate, beta, step }) => {
    const m = stateOf(state, 'm', w.length);
    const total = stateOf(state, 'total', 1);
    state.energy ??= Float64Array.from(neurons, (indices) => {
      const own = pick(w, indices);
      return dot(own, own);
    });
    total[0] = beta * total[0] + (1 - beta) * dot(g, g);
    for (let i = 0; i < w.length; i++) {
      m[i] = beta * m[i] + (1 - beta) * g[i];
      w[i] -= (learningRate * (1 + 1 / step) * m[i]) / Math.sqrt(1 + total[0]);
    }
    neurons.forEach((indices, k) => {
      const own = pick(m, indices);
      state.energy[k] = beta * state.energy[k] + (1 - beta) * dot(own, own);
    });
  };
