/** LionAR in float64: the form that this library gives to what is known of arXiv 2410.23922. */
import { matchedSize, signDirection, type LionAForm } from './lion-a.js';
import { centred, dot, normOf, pick } from './neurons.js';
import type { Reference, StepOptions } from './reference.js';
import { equilibrium, prepareRotation, smallestNorm } from './rotational.js';

export type LionARForm = LionAForm & {
  readonly neurons: readonly number[][];
  readonly rotation?: number;
  readonly equilibriumRate?: 'adamw' | 'lion';
  readonly exactAngle?: boolean;
  readonly zeroMean?: boolean;
  /**
   * Added to |p|, as the rotational variants do; this library does not, as |p| is either 0 or
   * large.
   */
  readonly epsilon?: number;
};

/** eta_r before any factor. */
function angle(
  { rotation, equilibriumRate = 'adamw', nesterov = true }: LionARForm,
  options: StepOptions,
): number {
  const { beta } = options;
  if (rotation !== undefined) return rotation;
  return equilibriumRate === 'adamw'
    ? equilibrium.adamw({ ...options, beta1: beta })
    : equilibrium.lion({ ...options, beta1: nesterov ? beta ** 2 : beta, beta2: beta });
}

/** p = sign(c) - w (sign(c).w) / N^2; w' = w - theta N p / |p|; w = N w' / |w'| */
export const lionAR =
  (form: LionARForm): Reference =>
  (w, g, state, options) => {
    const { learningRate: eta, weightDecay: lambda, beta } = options;
    const { neurons, exactAngle = false, zeroMean = false, matchAdamW, epsilon = 0 } = form;
    if (!state.norm) prepareRotation({ neurons, zeroMean }, w, state);
    const { signs, factor } = signDirection(form, g, state, options);
    const theta = factor * angle(form, options);
    neurons.forEach((indices, k) => {
      const N = state.norm[k];
      const own = pick(w, indices);
      let u = pick(signs, indices);
      if (N <= smallestNorm) {
        indices.forEach(
          (i, j) =>
            (w[i] =
              own[j] * (1 - eta * lambda) - eta * factor * matchedSize(beta, matchAdamW) * u[j]),
        );
        return;
      }
      const size = normOf(u);
      if (zeroMean) u = centred(u);
      const along = dot(u, own) / N ** 2;
      const p = u.map((value, j) => value - own[j] * along);
      const length = normOf(p);
      // A direction along w says nothing of where to turn.
      if (length <= 1e-3 * size) return;
      const moved = exactAngle
        ? own.map((value, j) => Math.cos(theta) * value - (Math.sin(theta) * N * p[j]) / length)
        : own.map((value, j) => value - (theta * N * p[j]) / (length + epsilon));
      const norm = normOf(moved);
      indices.forEach((i, j) => (w[i] = (moved[j] * N) / norm));
    });
  };
