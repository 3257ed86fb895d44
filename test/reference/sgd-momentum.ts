/**
 * SGD with momentum as PyTorch's documentation of torch.optim.SGD states it: no dampening, weight
 * decay in the gradient.
 */
import { stateOf, type Reference } from './reference.js';

export const sgdMomentum =
  (nesterov: boolean): Reference =>
  (w, g, state, { learningRate, weightDecay, momentum, step }) => {
    const b = stateOf(state, 'm', w.length);
    for (let i = 0; i < w.length; i++) {
      const decayed = g[i] + weightDecay * w[i];
      b[i] = step > 1 ? momentum * b[i] + decayed : decayed;
      w[i] = w[i] - learningRate * (nesterov ? decayed + momentum * b[i] : b[i]);
    }
  };
