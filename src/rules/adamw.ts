/** AdamW. Source: Loshchilov and Hutter, Decoupled weight decay regularization, Algorithm 2 (arXiv 1711.05101). */
import { add, div, mix, mul, sqrt, square, sub, type Expression } from '../compiler/expression.js';
import { defineRule, type HostValues, type Values } from '../compiler/rule.js';
import { biasCorrection } from './bias-correction.js';

/**
 * u = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) with both corrections drawn into two scalars:
 * learningRate u = stepSize m / (sqrt(v) + scaledEpsilon).
 */
export function adamHost({ learningRate, weightDecay, beta1, beta2, epsilon, count }: HostValues) {
  const root = Math.sqrt(biasCorrection(beta2, count + 1));
  return {
    beta1,
    beta2,
    keep: 1 - learningRate * weightDecay,
    stepSize: (learningRate * root) / biasCorrection(beta1, count + 1),
    scaledEpsilon: epsilon * root,
  };
}

export function adamUpdate({ w, g, m, v }: Record<'w' | 'g' | 'm' | 'v', Expression>, s: Values) {
  const first = mix(m, g, s.beta1);
  const second = mix(v, square(g), s.beta2);
  return {
    w: sub(mul(s.keep, w), mul(s.stepSize, div(first, add(sqrt(second), s.scaledEpsilon)))),
    m: first,
    v: second,
  };
}

export const adamW = /* @__PURE__ */ defineRule({
  name: 'adamW',
  slots: { m: 'element', v: 'element' },
  roles: { momentum: 'm', secondMoment: 'v' },
  host: adamHost,
  update: adamUpdate,
});
