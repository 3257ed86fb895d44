/**
 * LionAR: LionA whose sign direction turns each weight vector by a chosen angle. A reconstruction
 * of arXiv 2410.23922: the rotational step of arXiv 2305.17212 with Lion's direction and no
 * averaging of update norms.
 */
import { check } from '../check.js';
import { makeRule, type HostValues, type Rule, type Values } from '../compiler/rule.js';
import { rateFunction } from './equilibrium.js';
import { lionABetas, lionADirection, lionAHost, lionASlots, type LionAForm } from './lion-a.js';
import { prepareRotation, rotate, rotationSlots, type RotationForm } from './rotation.js';

export type LionARForm = LionAForm &
  Pick<RotationForm, 'zeroMean' | 'perNeuron'> & {
    readonly equilibriumRate: 'adamw' | 'lion';
    /** True if `rotation` is given as a hyperparameter, in radians a step. */
    readonly givenRotation: boolean;
    /** True to turn by exactly the angle, else by its arc tangent. */
    readonly exactAngle: boolean;
  };

export function lionAR(form: LionARForm): Rule {
  const rotation: RotationForm = {
    zeroMean: form.zeroMean,
    perNeuron: form.perNeuron,
    averaged: false,
  };
  const rate = rateFunction('lionAR', form.equilibriumRate);
  const angle = ({ learningRate, weightDecay, beta, rotation: given }: HostValues): number =>
    form.givenRotation
      ? given
      : rate({
          learningRate,
          weightDecay,
          ...(form.equilibriumRate === 'adamw'
            ? { beta1: beta, beta2: beta }
            : lionABetas(beta, form.nesterov)),
        });
  return makeRule({
    name: 'lionAR',
    slots: { ...lionASlots(form), ...rotationSlots(rotation) },
    roles: { momentum: 'm', momentumDecay: 'beta', norm: 'norm' },
    prepare: prepareRotation(rotation),
    host: (values) => {
      const inner = lionAHost(form, values);
      const theta = inner.inverse * angle(values);
      check(
        !form.exactAngle || theta < Math.PI / 2,
        'LionAR',
        'rotation',
        'be below pi / 2 with exactAngle',
        theta,
      );
      return {
        ...inner,
        plainDecay: inner.decay,
        plainStep: inner.stepSize,
        rotation: form.exactAngle ? Math.tan(theta) : theta,
        inverseCount: 1 / (form.perNeuron ? values.fanIn : values.size),
      };
    },
    update: ({ w, norm, ...values }: Values, s: Values) => {
      const { direction, scale, slots } = lionADirection(form, values, s);
      return {
        ...rotate(rotation, { w, u: direction, norm }, s, { corrected: scale, epsilon: 0 }),
        ...slots,
      };
    },
  });
}
