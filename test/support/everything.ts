/** A rule that keeps all that a rule may keep; its float64 form is test/reference/everything.ts. */
import {
  add,
  defineRule,
  div,
  ema,
  mul,
  neuronSum,
  sqrt,
  square,
  sub,
  tensorSum,
} from '../../src/rules/index.js';

/** What the weights are multiplied by before the first step. */
export const preparedBy = 0.9;

/** A prepared weight, an initial value, slots of every kind and sums. */
export const everything = defineRule({
  name: 'everything',
  slots: { m: 'element', energy: 'neuron', total: 'tensor' },
  prepare: ({ w }) => ({ w: mul(w, preparedBy) }),
  initial: ({ w }) => ({ energy: neuronSum(square(w)) }),
  hyperparameters: { beta: {} },
  host: ({ learningRate, beta, count }) => ({ learningRate, beta, boost: 1 + 1 / (count + 1) }),
  update: ({ w, g, m, energy, total }, s) => {
    const next = ema(m, g, s.beta);
    const size = ema(total, tensorSum(square(g)), s.beta);
    return {
      w: sub(w, mul(s.learningRate, mul(s.boost, div(next, sqrt(add(1, size)))))),
      m: next,
      energy: ema(energy, neuronSum(square(next)), s.beta),
      total: size,
    };
  },
});
