/**
 * Rotational updates: a weight vector turns by a chosen angle on the sphere of its own norm,
 * whatever the gradient's size. Source: Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv
 * 2305.17212), and its authors' code, `perform_rotational_update`. Any rule that gives a direction
 * u becomes rotational here.
 *
 * All that a neuron needs is in the sums of u, u^2, u w, w^2 and w, so that one sweep sums and one
 * applies: with centred u and w, p = u - w (u.w) / |w|^2 has |p|^2 = |u|^2 - (u.w)^2 / |w|^2, and w
 * - tau p has the norm sqrt(|w|^2 + tau^2 |p|^2). Norms are measured anew in each step, so that
 * rounding cannot add up.
 */
import {
  add,
  div,
  less,
  lessEqual,
  ema,
  mul,
  neuronSum,
  select,
  sqrt,
  square,
  sub,
  tensorSum,
  type DeviceDomain,
  type Expression,
  type Operand,
} from '../compiler/expression.js';
import type { Values } from '../compiler/rule.js';

/** Options that fix the form of a rotational rule. */
export type RotationForm = {
  /** Updates and weights without their mean. */
  readonly zeroMean: boolean;
  /** One norm, mean and angle for each neuron; else for the tensor. */
  readonly perNeuron: boolean;
  /** True if the update's norm is averaged over steps. */
  readonly averaged: boolean;
};

/** Neurons of a smaller stored norm take the plain step of the inner rule, for good. */
const smallestNorm = 1e-12;

/**
 * Squared lengths below this share of what they are a difference of are rounding errors of float32
 * sums.
 */
const roundingShare = 1e-6;

const domainOf = ({ perNeuron }: RotationForm): DeviceDomain => (perNeuron ? 'neuron' : 'tensor');
const sumOf = ({ perNeuron }: RotationForm) => (perNeuron ? neuronSum : tensorSum);

/**
 * The slots that a rotational rule adds: the norm to keep, and the running mean of squared update
 * norms.
 */
export const rotationSlots = (form: RotationForm): Record<string, DeviceDomain> => ({
  norm: domainOf(form),
  ...(form.averaged ? { energy: domainOf(form) } : {}),
});

/**
 * Centres each neuron, keeping its norm, and stores that norm; a constant neuron is left as it is,
 * with norm 0.
 */
export const prepareRotation =
  (form: RotationForm) =>
  ({ w }: { readonly w: Expression }, s: Values) => {
    const sum = sumOf(form);
    const squares = sum(square(w));
    if (!form.zeroMean) return { w, norm: sqrt(squares) };
    const centred = sub(w, div(sum(w), form.perNeuron ? s.fanIn : s.size));
    const remaining = sum(square(centred));
    const isConstant = lessEqual(remaining, mul(1e-12, squares));
    return {
      w: select(isConstant, w, mul(centred, sqrt(div(squares, remaining)))),
      norm: select(isConstant, 0, sqrt(squares)),
    };
  };

/** True of neurons that do not rotate. */
export const takesPlainStep = (norm: Expression): Expression => lessEqual(norm, smallestNorm);

/**
 * The rotational step along -u.
 *
 * Scalars: `rotation` (radians), `inverseCount` (1 / elements of a vector), `plainDecay` and
 * `plainStep` for neurons
 * without a norm (w <- w - (plainDecay w + plainStep u)), with `averaged` also `updateNormDecay`
 * and `normCorrection` (the
 * reciprocal of 1 - updateNormDecay^t). `corrected` scales the rotation and the plain step.
 */
export function rotate(
  form: RotationForm,
  {
    w,
    u,
    norm,
    energy,
  }: {
    readonly w: Expression;
    readonly u: Expression;
    readonly norm: Expression;
    readonly energy?: Expression;
  },
  s: Values,
  {
    corrected = (x) => x,
    epsilon,
  }: { readonly corrected?: (x: Operand) => Operand; readonly epsilon: number },
): Record<string, Expression> {
  const sum = sumOf(form);
  const total = {
    u: form.zeroMean ? sum(u) : undefined,
    uu: sum(square(u)),
    uw: sum(mul(u, w)),
    ww: sum(square(w)),
    w: form.zeroMean ? sum(w) : undefined,
  };
  const mean = form.zeroMean
    ? { u: mul(total.u!, s.inverseCount), w: mul(total.w!, s.inverseCount) }
    : undefined;
  const centre = (
    squares: Expression,
    sumOfOne: Expression | undefined,
    meanOfOther: Expression | undefined,
  ) => (sumOfOne && meanOfOther ? sub(squares, mul(sumOfOne, meanOfOther)) : squares);
  const uu = centre(total.uu, total.u, mean?.u);
  const uw = centre(total.uw, total.u, mean?.w);
  const ww = centre(total.ww, total.w, mean?.w);

  const isPlain = takesPlainStep(norm);
  const along = div(uw, ww);
  const tangent = sub(uu, mul(uw, along));
  const measurable = (x: Operand, otherwise: Operand) =>
    select(isPlain, otherwise, select(less(mul(roundingShare, total.uu), tangent), x, otherwise));
  const squared = measurable(tangent, 0);
  const newEnergy = energy && ema(energy, squared, s.updateNormDecay);
  const length = sqrt(newEnergy ? mul(newEnergy, s.normCorrection) : squared);
  const turn = measurable(div(corrected(mul(s.rotation, norm)), add(length, epsilon)), 0);

  const onSphere = div(norm, sqrt(add(ww, mul(square(turn), squared))));
  const keep = mul(onSphere, add(1, measurable(mul(turn, along), 0)));
  const step = mul(onSphere, turn);
  // One value a neuron, so that neurons need not wait for the tensor.
  const plainStep = corrected(select(isPlain, s.plainStep, 0));
  const moved = sub(
    w,
    add(
      mul(select(isPlain, s.plainDecay, sub(1, keep)), w),
      mul(select(isPlain, plainStep, step), u),
    ),
  );
  const shift = mean && select(isPlain, 0, sub(mul(step, mean.u), mul(keep, mean.w)));
  return { w: shift ? add(moved, shift) : moved, ...(newEnergy ? { energy: newEnergy } : {}) };
}
