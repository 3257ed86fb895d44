/**
 * Cautious optimizers: only elements whose step agrees with the gradient move. Source: Liang et
 * al., Cautious optimizers: Improving training with one line of code (arXiv 2411.16085), Algorithm
 * 1. float64 reference: test/reference/cautious.ts.
 */
import { check } from '../check.js';
import { derivedName, derivedParts } from '../compiler/derive-rule.js';
import {
  add,
  asExpression,
  constant,
  div,
  less,
  mul,
  select,
  sign,
  sub,
  tensorSum,
  type Expression,
} from '../compiler/expression.js';
import { makeRule, type Rule, type Values } from '../compiler/rule.js';

/** w - next; where next is written as w - x it is x, without the rounding of a difference. */
const difference = (w: Expression, next: Expression): Expression =>
  next.op === 'sub' && next.args[0] === w ? next.args[1] : sub(w, next);

/** What a rule subtracts from the weight, without its decoupled decay. */
function stepOf(rule: Rule, values: Values, s: Values, next: Values): Expression {
  if (!rule.decoupled) return difference(values.w, next.w);
  // From w = 0 a decoupled rule arrives at minus its step.
  const zero = constant(0);
  return difference(zero, asExpression(rule.update({ ...values, w: zero }, s).w!));
}

/**
 * A rule whose step moves only those elements for which it goes against the gradient; the others
 * wait, and the step of those that move is scaled up in turn.
 *
 * With u the step of the rule without weight decay, on each variable:
 *   mask = 1 where u g > 0, else 0;
 *   scale = size / (sum(mask) + 1);
 *   w <- w - (learningRate weightDecay w + scale mask u).
 * Weight decay is not masked, except where the rule adds it to the gradient, as the SGDs do. The
 * slots are those of the plain rule.
 *
 * @param rule - A rule that moves its weight by a step; not one that turns it by an angle. Where it
 * is `decoupled`, its step must not depend on the weight but for the decay.
 * @returns The cautious rule, named `cautious` and the rule's name.
 * @throws {Error} if the rule is rotational.
 * @see {@link https://arxiv.org/abs/2411.16085 | Liang et al., Cautious optimizers, Algorithm 1}
 * @example
 * const optimizer = new RuleOptimizer({ rule: cautious(adamW()), learningRate: 1e-3 });
 */
export function cautious<Slot extends string, Hyper extends string, Scalar extends string>(
  rule: Rule<Slot, Hyper, Scalar>,
): Rule<Slot, Hyper, Scalar | 'cautiousSize' | 'cautiousDecay'>;
export function cautious(rule: Rule): Rule {
  check(
    rule.roles.norm === undefined,
    'cautious',
    'rule',
    'move weights by a step, not turn them by an angle as rotational rules do',
    rule.name,
  );
  return makeRule(
    derivedParts(rule, {
      name: derivedName('cautious', rule),
      host: ({ learningRate, weightDecay, size }) => ({
        cautiousSize: size,
        cautiousDecay: learningRate * weightDecay,
      }),
      update(values, s, next) {
        const { w, g } = values;
        const step = stepOf(rule, values, s, next);
        // sign(g) u, not g u: the product of a small step with a small gradient would underflow.
        const mask = select(less(0, mul(sign(g), step)), 1, 0);
        // The mask multiplies, so that a step of NaN shows.
        const masked = mul(mask, step);
        const scale = div(s.cautiousSize, add(tensorSum(mask), 1));
        if (!rule.decoupled) return { w: sub(w, mul(scale, masked)) };
        // One value a tensor: decay w is computed in the second sweep and not kept from the first.
        const scaledDecay = div(s.cautiousDecay, scale);
        return { w: sub(w, mul(scale, add(mul(scaledDecay, w), masked))) };
      },
    }),
  );
}
