/**
 * Rotational updates: a weight vector turns by a chosen angle on the sphere of its own norm,
 * whatever the gradient's size. Source: Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv
 * 2305.17212), and its authors' code, `perform_rotational_update`. Any rule that gives a direction
 * u becomes rotational here. float64 reference: test/reference/rotational.ts.
 *
 * All that a neuron needs is in the sums of u, u^2, u w, w^2 and w, so that one sweep sums and one
 * applies. Norms are measured anew in each step, so that rounding cannot add up.
 */
import { check } from '../check.js';
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
import type { LayoutName, Values } from '../compiler/rule.js';
import { beta } from '../schema.js';

/** The hyperparameters that every rotational variant adds. */
export const rotationHyperparameters = {
  /** Decay rate of the running mean of squared update norms. */
  updateNormDecay: /* @__PURE__ */ beta(0.9),
};

/**
 * The scalars of a rotational step: `rotation` in radians, `inverseCount` = 1 / elements of a
 * vector, `plainDecay` and `plainStep` for neurons without a norm: w <- w - (plainDecay w +
 * plainStep u).
 */
export type RotationScalar = 'rotation' | 'inverseCount' | 'plainDecay' | 'plainStep';

/** Above this float32 cannot tell a rotation from a quarter turn; the square of more overflows. */
const largestRotation = 1e9;

/** Throws for a rotation that kernels cannot take. */
export const checkRotation = (label: string, rotation: number): void =>
  check(
    rotation <= largestRotation,
    label,
    'rotation',
    `be at most ${largestRotation}, to float32 a quarter turn`,
    rotation,
  );

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
export const rotationSlots = (
  form: RotationForm,
): { norm: DeviceDomain; energy?: DeviceDomain } => ({
  norm: domainOf(form),
  ...(form.averaged ? { energy: domainOf(form) } : {}),
});

/**
 * Centres each neuron, keeping its norm, and stores that norm; a constant neuron is left as it is,
 * with norm 0.
 */
export const prepareRotation =
  (form: RotationForm) =>
  ({ w }: Values<'w'>, s: Values<LayoutName>) => {
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

/** What a rotational step works on. */
export type RotationInputs = {
  readonly w: Expression;
  /** The direction; the step goes along -u. */
  readonly u: Expression;
  /** The norm to keep. */
  readonly norm: Expression;
  /** The running mean of squared update norms, if norms are averaged. */
  readonly average?: {
    readonly energy: Expression;
    readonly decay: Expression;
    /** 1 / (1 - decay^t). */
    readonly correction: Expression;
  };
};

/** Sums over a vector of u u, u w and w w, centred where the form says so, and of u u as it is. */
function vectorSums(form: RotationForm, { w, u }: RotationInputs, inverseCount: Expression) {
  const sum = sumOf(form);
  const sums = { uu: sum(square(u)), uw: sum(mul(u, w)), ww: sum(square(w)) };
  if (!form.zeroMean) return { ...sums, squares: sums.uu };
  const [totalU, totalW] = [sum(u), sum(w)];
  const mean = { u: mul(totalU, inverseCount), w: mul(totalW, inverseCount) };
  // The sum of (x - mean x) (y - mean y) is that of x y less that of x times mean y.
  return {
    uu: sub(sums.uu, mul(totalU, mean.u)),
    uw: sub(sums.uw, mul(totalU, mean.w)),
    ww: sub(sums.ww, mul(totalW, mean.w)),
    squares: sums.uu,
    mean,
  };
}

/**
 * The rotational step along -u: with p the part of u that is orthogonal to w,
 *   w <- norm (w - tau p) / |w - tau p|,  tau = rotation norm / |p|.
 *
 * `corrected` scales the rotation and the plain step; `epsilon` keeps the divisor |p| from zero.
 */
export function rotate(
  form: RotationForm,
  inputs: RotationInputs,
  s: Values<RotationScalar>,
  options: { readonly corrected?: (x: Operand) => Operand; readonly epsilon: number },
): Values<'w'> & Partial<Values<'energy'>> {
  const { w, u, norm, average } = inputs;
  const { corrected = (x) => x, epsilon } = options;

  // p = u - along w, |p|^2 = |u|^2 - (u.w)^2 / |w|^2.
  const { uu, uw, ww, squares, mean } = vectorSums(form, inputs, s.inverseCount);
  const along = div(uw, ww);
  const tangent = sub(uu, mul(uw, along));

  // A neuron without a norm takes the plain step; one whose p is a rounding error is only put back
  // to its norm.
  const isPlain = takesPlainStep(norm);
  const isMeasurable = less(mul(roundingShare, squares), tangent);
  const ifRotating = (x: Operand, otherwise: Operand) =>
    select(isPlain, otherwise, select(isMeasurable, x, otherwise));
  const squared = ifRotating(tangent, 0);

  // |p|, averaged over steps where the form says so.
  const energy = average && ema(average.energy, squared, average.decay);
  const length = sqrt(energy ? mul(energy, average.correction) : squared);

  // tau, and the factor that puts w - tau p back to the norm: |w - tau p|^2 = |w|^2 + tau^2 |p|^2.
  const tau = ifRotating(div(corrected(mul(s.rotation, norm)), add(length, epsilon)), 0);
  const onSphere = div(norm, sqrt(add(ww, mul(square(tau), squared))));

  // w - tau p = (1 + tau along) w - tau u, and for centred vectors less its mean.
  const keep = mul(onSphere, add(1, ifRotating(mul(tau, along), 0)));
  const step = mul(onSphere, tau);
  // One value a neuron, so that neurons need not wait for the tensor.
  const plainStep = corrected(select(isPlain, s.plainStep, 0));
  const alongW = mul(select(isPlain, s.plainDecay, sub(1, keep)), w);
  const moved = sub(w, add(alongW, mul(select(isPlain, plainStep, step), u)));
  const shift = mean && select(isPlain, 0, sub(mul(step, mean.u), mul(keep, mean.w)));
  const turned = shift ? add(moved, shift) : moved;
  return { w: turned, ...(energy && { energy }) };
}
