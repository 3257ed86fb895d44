/**
 * The rotational variants in float64, step by step as they were published, with no thought for
 * speed. Source: Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212), and its
 * authors' code: `perform_rotational_update` and `center_rotational_weights`.
 */
import { centred, dot, normOf, pick } from './neurons.js';
import { stateOf, type Reference, type State, type StepOptions } from './reference.js';

export type RotationalForm = {
  readonly neurons: readonly number[][];
  readonly zeroMean?: boolean;
  readonly updateNormDecay?: number;
  /** eta_r; by default the inner optimizer's equilibrium. */
  readonly rotation?: (options: StepOptions) => number;
};

/**
 * An inner optimizer's direction, without learning rate and weight decay; keeps its moments in the
 * state.
 */
type Direction = (g: Float64Array, state: State, options: StepOptions) => Float64Array;

/** u = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) */
const adamDirection: Direction = (g, state, { beta1, beta2, epsilon, step }) => {
  const m = stateOf(state, 'm', g.length);
  const v = stateOf(state, 'v', g.length);
  return g.map((gradient, i) => {
    m[i] = beta1 * m[i] + (1 - beta1) * gradient;
    v[i] = beta2 * v[i] + (1 - beta2) * gradient ** 2;
    return m[i] / (1 - beta1 ** step) / (Math.sqrt(v[i] / (1 - beta2 ** step)) + epsilon);
  });
};

/** buf = alpha buf + g; u = buf, or g + alpha buf with Nesterov */
const momentumDirection =
  (nesterov: boolean): Direction =>
  (g, state, { momentum }) => {
    const m = stateOf(state, 'm', g.length);
    return g.map((gradient, i) => {
      m[i] = momentum * m[i] + gradient;
      return nesterov ? gradient + momentum * m[i] : m[i];
    });
  };

/**
 * u = sign(b1 m + (1 - b1) g), then m <- b2 m + (1 - b2) g; marks as close the elements whose sign
 * float32 may see otherwise.
 */
export const lionDirection: Direction = (g, state, { beta1, beta2 }) => {
  const m = stateOf(state, 'm', g.length);
  const close = stateOf(state, 'close', g.length);
  return g.map((gradient, i) => {
    const [old, fresh] = [beta1 * m[i], (1 - beta1) * gradient];
    if (Math.abs(old + fresh) < 1e-6 * (Math.abs(old) + Math.abs(fresh))) close[i] = 1;
    m[i] = beta2 * m[i] + (1 - beta2) * gradient;
    return Math.sign(old + fresh);
  });
};

/** Expected rotation a step. */
export const equilibrium = {
  adamw: ({ learningRate, weightDecay, beta1 }: StepOptions) =>
    Math.sqrt((2 * learningRate * weightDecay * (1 - beta1)) / (1 + beta1)),
  sgdm: ({ learningRate, weightDecay, momentum }: StepOptions) =>
    Math.sqrt((2 * learningRate * weightDecay) / (1 + momentum)),
  lion: ({ learningRate, weightDecay, beta1, beta2 }: StepOptions) =>
    Math.sqrt(Math.PI / 2) *
    Math.sqrt(2 * learningRate * weightDecay) *
    Math.sqrt((1 - beta1) ** 2 + (beta1 ** 2 * (1 - beta2)) / (1 + beta2)),
};

/** Neurons with a smaller norm take the plain step of the inner optimizer, for good. */
export const smallestNorm = 1e-12;

/**
 * w <- |w| (w - mean) / |w - mean| in each neuron; stores the norms, 0 for a neuron whose weights
 * are all the same.
 */
export function prepareRotation(
  { neurons, zeroMean = true }: Pick<RotationalForm, 'neurons' | 'zeroMean'>,
  w: Float64Array,
  state: State,
): void {
  state.norm = Float64Array.from(neurons, (indices) => {
    const own = pick(w, indices);
    const norm = normOf(own);
    if (!zeroMean) return norm;
    const without = centred(own);
    const remaining = normOf(without);
    if (remaining <= 1e-6 * norm) return 0;
    indices.forEach((i, k) => (w[i] = (norm * without[k]) / remaining));
    return norm;
  });
}

const rotationalEpsilon = 1e-8;

/** `decoupled` says how a neuron without a norm decays: by the rate, or through its gradient. */
const rotational =
  (
    form: RotationalForm,
    direction: Direction,
    defaultRotation: (options: StepOptions) => number,
    decoupled: boolean,
  ): Reference =>
  (w, g, state, options) => {
    const { learningRate: eta, weightDecay: lambda, step: t } = options;
    const {
      neurons,
      zeroMean = true,
      updateNormDecay: decay = 0.9,
      rotation = defaultRotation,
    } = form;
    if (!state.norm) prepareRotation(form, w, state);
    const energy = stateOf(state, 'energy', neurons.length);
    const gradient = g.slice();
    neurons.forEach((indices, k) => {
      if (!decoupled && state.norm[k] <= smallestNorm)
        for (const i of indices) gradient[i] += lambda * w[i];
    });
    const directions = direction(gradient, state, options);
    neurons.forEach((indices, k) => {
      const N = state.norm[k];
      const own = pick(w, indices);
      let u = pick(directions, indices);
      if (N <= smallestNorm) {
        indices.forEach(
          (i, j) => (w[i] = own[j] * (decoupled ? 1 - eta * lambda : 1) - eta * u[j]),
        );
        return;
      }
      if (zeroMean) u = centred(u);
      const along = dot(u, own) / N ** 2;
      u = u.map((value, j) => value - own[j] * along);
      energy[k] = decay * energy[k] + (1 - decay) * dot(u, u);
      const A = Math.sqrt(energy[k] / (1 - decay ** t));
      const moved = own.map(
        (value, j) => value - (rotation(options) * N * u[j]) / (A + rotationalEpsilon),
      );
      const length = normOf(moved);
      indices.forEach((i, j) => (w[i] = (moved[j] * N) / length));
    });
  };

export const rotationalAdamW = (form: RotationalForm): Reference =>
  rotational(form, adamDirection, equilibrium.adamw, true);
export const rotationalSGDM = (form: RotationalForm, nesterov = false): Reference =>
  rotational(form, momentumDirection(nesterov), equilibrium.sgdm, false);
export const rotationalLion = (form: RotationalForm): Reference =>
  rotational(form, lionDirection, equilibrium.lion, true);
