/**
 * SGD with momentum in the form of PyTorch: no dampening, weight decay added to the gradient before
 * the momentum. Source: Sutskever et al., On the importance of initialization and momentum in deep
 * learning (ICML 2013), section 2.
 */
import { add, mul, sub, type Expression } from '../compiler/expression.js';
import { makeRule, type Rule, type Values } from '../compiler/rule.js';

/** m <- momentum m + g; the direction is m, or g + momentum m with Nesterov's look-ahead. */
export function momentumDirection(
  g: Expression,
  m: Expression,
  s: Values,
  nesterov: boolean,
): { direction: Expression; m: Expression } {
  const next = add(mul(s.momentum, m), g);
  return { direction: nesterov ? add(g, mul(s.momentum, next)) : next, m: next };
}

export const sgdMomentum = (nesterov: boolean): Rule =>
  makeRule({
    name: nesterov ? 'sgdNesterov' : 'sgdMomentum',
    slots: { m: 'element' },
    roles: { momentum: 'm' },
    host: ({ learningRate, weightDecay, momentum }) => ({ learningRate, weightDecay, momentum }),
    update: ({ w, g, m }, s) => {
      const { direction, m: next } = momentumDirection(
        add(g, mul(s.weightDecay, w)),
        m,
        s,
        nesterov,
      );
      return { w: sub(w, mul(s.learningRate, direction)), m: next };
    },
  });
