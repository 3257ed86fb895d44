/**
 * Clipping by the global norm: the factor min(1, clipNorm / |g|) over the gradients of all
 * variables.
 *
 * The squares are summed in three ranges of |g|, each scaled by a power of two, so that no gradient
 * overflows or underflows float32. Source: J. Blue, A portable Fortran program to find the
 * Euclidean norm of a vector, ACM TOMS 4 (1978). float64 reference: test/reference/clip-norm.ts.
 */
import {
  abs,
  add,
  div,
  equal,
  input,
  less,
  lessEqual,
  mul,
  scalar,
  select,
  sqrt,
  square,
  tensorSum,
  type Expression,
  type Operand,
} from '../compiler/expression.js';
import { planStepWide } from '../compiler/program.js';

/** Squares of values below this cannot overflow, even 2^27 of them. */
const large = 2 ** 50;
/** Squares of values from this on are normal numbers. */
const small = 2 ** -50;
const largeScale = 2 ** -78;
const smallScale = 2 ** 76;

function sums(g: Expression): Record<'large' | 'middle' | 'small', Expression> {
  const size = abs(g);
  const isLarge = (yes: Operand, no: Operand) => select(less(size, large), no, yes);
  const isSmall = (yes: Operand, no: Operand) => select(less(size, small), yes, no);
  // Each range is cut out before it is scaled: a product that underflows is slow, even where it is
  // not used.
  return {
    // NaN and infinities count as large, so that the norm shows them.
    large: tensorSum(square(mul(isLarge(g, 0), largeScale))),
    middle: tensorSum(square(isLarge(0, isSmall(0, g)))),
    small: tensorSum(square(mul(isSmall(g, 0), smallScale))),
  };
}

/** |g| from the three sums; each range is counted in the scale of the largest that is not empty. */
const norm = (totals: Readonly<Record<string, Expression>>): Expression =>
  select(
    equal(totals.large, 0),
    select(
      equal(totals.middle, 0),
      mul(sqrt(totals.small), 1 / smallScale),
      sqrt(add(totals.middle, mul(mul(totals.small, 1 / smallScale), 1 / smallScale))),
    ),
    mul(sqrt(add(totals.large, mul(mul(totals.middle, largeScale), largeScale))), 1 / largeScale),
  );

/**
 * min(1, clipNorm / |g|) from the three sums; a zero gradient gives 1. A norm of NaN gives NaN, an
 * infinite one 0, which makes NaN of the infinite elements: as in PyTorch, one element that is not
 * finite stops all variables.
 */
export function clipFactor(totals: Readonly<Record<string, Expression>>): Expression {
  const length = norm(totals);
  return select(lessEqual(length, scalar('clipNorm')), 1, div(scalar('clipNorm'), length));
}

/** The step-wide plan of `clipNorm`. */
export const clipByGlobalNorm = () =>
  planStepWide('clipNorm', clipFactor(sums(input('g', 'element'))));
