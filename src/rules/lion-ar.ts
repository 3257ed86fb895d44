/**
 * LionAR: LionA whose sign direction turns each weight vector by a chosen angle. A reconstruction
 * of arXiv 2410.23922: the rotational step of arXiv 2305.17212 with Lion's direction and no
 * averaging of update norms. float64 reference: test/reference/lion-ar.ts.
 */
import { check } from '../check.js';
import { makeRule, type HostValues } from '../compiler/rule.js';
import { float32Within } from '../schema.js';
import { rateFunction } from './equilibrium.js';
import {
  lionABetas,
  lionADirection,
  lionAHost,
  lionAHyperparameters,
  lionASlots,
  type LionAForm,
  type LionAHyperparameter,
  type LionAScalar,
  type LionASlot,
} from './lion-a.js';
import {
  checkRotation,
  prepareRotation,
  rotate,
  rotationSlots,
  type RotationForm,
  type RotationScalar,
} from './rotation.js';

export type LionARForm = LionAForm &
  Pick<RotationForm, 'zeroMean' | 'perNeuron'> & {
    readonly equilibriumRate: 'adamw' | 'lion';
    /** True if `rotation` is given as a hyperparameter, in radians a step. */
    readonly givenRotation: boolean;
    /** True to turn by exactly the angle, else by its arc tangent. */
    readonly exactAngle: boolean;
  };

/** `rotation` only with `givenRotation`. */
type LionARHyperparameter = LionAHyperparameter | 'rotation';

/** LionAR in one of its forms. */
export function lionAR(form: LionARForm) {
  const { perNeuron, exactAngle, equilibriumRate, givenRotation } = form;
  const rotation: RotationForm = { ...form, averaged: false };
  const rate = rateFunction('lionAR', equilibriumRate);
  /** The rotation in radians a step, without the bias correction. */
  function angle(values: HostValues<LionARHyperparameter>): number {
    if (givenRotation) return values.rotation;
    const { learningRate, weightDecay, beta } = values;
    const betas =
      equilibriumRate === 'adamw' ? { beta1: beta, beta2: beta } : lionABetas(beta, form.nesterov);
    return rate({ learningRate, weightDecay, ...betas });
  }
  return makeRule<LionASlot | 'norm', LionAHyperparameter, LionAScalar | RotationScalar>({
    name: 'lionAR',
    slots: { ...lionASlots(form), ...rotationSlots(rotation) },
    roles: { momentum: 'm', momentumDecay: 'beta', norm: 'norm' },
    hyperparameters: {
      ...lionAHyperparameters,
      ...(givenRotation && { rotation: float32Within('[0, Infinity)') }),
    },
    decoupled: true,
    prepare: prepareRotation(rotation),
    host(values: HostValues<LionARHyperparameter>) {
      const inner = lionAHost(form, values);
      const theta = inner.inverse * angle(values);
      check(
        !exactAngle || theta < Math.PI / 2,
        'LionAR',
        'rotation',
        'be below pi / 2 with exactAngle',
        theta,
      );
      const tangent = exactAngle ? Math.tan(theta) : theta;
      checkRotation('LionAR', tangent);
      return {
        ...inner,
        plainDecay: inner.decay,
        plainStep: inner.stepSize,
        rotation: tangent,
        inverseCount: 1 / (perNeuron ? values.fanIn : values.size),
      };
    },
    update({ w, norm, ...values }, s) {
      const { direction, scale, slots } = lionADirection(form, values, s);
      return {
        ...rotate(rotation, { w, u: direction, norm }, s, { corrected: scale, epsilon: 0 }),
        ...slots,
      };
    },
  });
}
