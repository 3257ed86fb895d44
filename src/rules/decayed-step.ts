import { add, mul, sub, type Expression } from '../compiler/expression.js';
import type { Values } from '../compiler/rule.js';

/**
 * w - (decay w + step): one rounding at the size of w, where (1 - decay) w - step has two, and a
 * third in 1 - decay.
 */
export const decayedStep = (
  w: Expression,
  step: Expression,
  { decay }: Values<'decay'>,
): Expression => sub(w, add(mul(decay, w), step));
