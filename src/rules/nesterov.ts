/**
 * Nesterov's look-ahead for any rule with a momentum. Sources: Dozat, Incorporating Nesterov
 * momentum into Adam (ICLR 2016 workshop); Sutskever et al., On the importance of initialization
 * and momentum in deep learning (ICML 2013), section 2. float64 reference:
 * test/reference/nadamw.ts.
 */
import { check } from '../check.js';
import { derivedName, derivedParts } from '../compiler/derive-rule.js';
import { mul } from '../compiler/expression.js';
import { makeRule, type Rule } from '../compiler/rule.js';
import { lookAheadCorrection } from './bias-correction.js';

/**
 * A rule that looks one step ahead: its weight is computed as if the momentum had already taken in
 * this gradient. The slots are those of the plain rule.
 *
 * With m' the new momentum of a rule, the weight is what the rule gives for m <- m'. Where the step
 * divides the momentum by 1 - beta^t, t = 1, 2, ..., m' is multiplied by
 * (1 - beta^t) / (1 - beta^(t+1)), so that `nesterov(adamW())` is NAdamW:
 *   mHat = beta1 m' / (1 - beta1^(t+1)) + (1 - beta1) g / (1 - beta1^t).
 * `nesterov(sgdMomentum(false))` is `sgdMomentum(true)`. With a correction that is `immediate`,
 * which would measure the advanced momentum, use AdamW's option `nesterov`.
 *
 * @param rule - A rule that names the slot of its momentum in `roles.momentum`, and where it
 * corrects its bias, says so in `roles.momentumCorrected`.
 * @returns The rule with look-ahead, named `nesterov` and the rule's name.
 * @throws {Error} if the rule names no momentum.
 * @see {@link https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ | Dozat, Incorporating Nesterov momentum into Adam}
 * @example
 * const optimizer = new RuleOptimizer({ rule: nesterov(adamW()), learningRate: 1e-3 });
 */
export function nesterov<Slot extends string, Hyper extends string, Scalar extends string>(
  rule: Rule<Slot, Hyper, Scalar>,
): Rule<Slot, Hyper, Scalar | 'lookAhead'>;
export function nesterov(rule: Rule): Rule {
  const { momentum, momentumDecay, momentumCorrected } = rule.roles;
  check(
    momentum !== undefined,
    'nesterov',
    'rule',
    'name the slot of its momentum in roles.momentum',
    rule.name,
  );
  return makeRule(
    derivedParts(rule, {
      name: derivedName('nesterov', rule),
      host(values) {
        const beta = values[momentumDecay!];
        return { lookAhead: momentumCorrected ? lookAheadCorrection(beta, values.count + 1) : 1 };
      },
      update(values, s, next) {
        const advanced = next[momentum];
        const m = momentumCorrected ? mul(s.lookAhead, advanced) : advanced;
        return { w: rule.update({ ...values, [momentum]: m }, s).w };
      },
    }),
  );
}
