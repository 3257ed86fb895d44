/**
 * Lion. Source: Chen et al., Symbolic discovery of optimization algorithms, Algorithm 2 (arXiv
 * 2302.06675). float64 reference: test/reference/lion.ts.
 */
import { ema, mul, sign } from '../compiler/expression.js';
import { makeRule } from '../compiler/rule.js';
import { beta } from '../schema.js';
import { decayedStep } from './decayed-step.js';

/** The hyperparameters that Lion shares with RotationalLion. */
export const lionHyperparameters = {
  beta1: /* @__PURE__ */ beta(0.9),
  beta2: /* @__PURE__ */ beta(0.99),
};

export const lion = /* @__PURE__ */ makeRule({
  name: 'lion',
  slots: { m: 'element' },
  roles: { momentum: 'm', momentumDecay: 'beta2' },
  hyperparameters: lionHyperparameters,
  decoupled: true,
  host: ({ learningRate, weightDecay, beta1, beta2 }) => ({
    learningRate,
    beta1,
    beta2,
    decay: learningRate * weightDecay,
  }),
  update: ({ w, g, m }, s) => ({
    w: decayedStep(w, mul(s.learningRate, sign(ema(m, g, s.beta1))), s),
    m: ema(m, g, s.beta2),
  }),
});
