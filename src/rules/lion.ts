/**
 * Lion. Source: Chen et al., Symbolic discovery of optimization algorithms, Algorithm 2 (arXiv
 * 2302.06675).
 */
import { ema, mul, sign } from '../compiler/expression.js';
import { makeRule } from '../compiler/rule.js';
import { decayedStep } from './decayed-step.js';

export const lion = /* @__PURE__ */ makeRule({
  name: 'lion',
  slots: { m: 'element' },
  roles: { momentum: 'm', momentumDecay: 'beta2' },
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
