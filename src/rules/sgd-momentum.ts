/**
 * SGD with momentum in the form of PyTorch: no dampening, weight decay added to the gradient before
 * the momentum. Source: Sutskever et al., On the importance of initialization and momentum in deep
 * learning (ICML 2013), section 2. float64 reference: test/reference/sgd-momentum.ts.
 */
import { add, mul, sub, type Expression } from '../compiler/expression.js';
import { makeRule, type Values } from '../compiler/rule.js';
import { beta } from '../schema.js';

/** The hyperparameters that SGDMomentum shares with RotationalSGDM. */
export const momentumHyperparameters = { momentum: /* @__PURE__ */ beta(0.9) };

/** m <- momentum m + g; the direction is m, or g + momentum m with Nesterov's look-ahead. */
export function momentumDirection(
  { g, m }: Values<'g' | 'm'>,
  s: Values<'momentum'>,
  nesterov: boolean,
): { direction: Expression; m: Expression } {
  const next = add(mul(s.momentum, m), g);
  return { direction: nesterov ? add(g, mul(s.momentum, next)) : next, m: next };
}

/** SGD with momentum; `nesterov` for Nesterov's look-ahead. */
export const sgdMomentum = (nesterov: boolean) =>
  makeRule({
    name: nesterov ? 'sgdNesterov' : 'sgdMomentum',
    slots: { m: 'element' },
    roles: { momentum: 'm' },
    hyperparameters: momentumHyperparameters,
    host: ({ learningRate, weightDecay, momentum }) => ({ learningRate, weightDecay, momentum }),
    update({ w, g, m }, s) {
      const decayed = add(g, mul(s.weightDecay, w));
      const { direction, m: next } = momentumDirection({ g: decayed, m }, s, nesterov);
      return { w: sub(w, mul(s.learningRate, direction)), m: next };
    },
  });
