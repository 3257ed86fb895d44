/**
 * The rotational variants (RV) of AdamW, SGDM and Lion.
 * Source: Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212) and its authors' code.
 */
import {
  add,
  ema,
  mul,
  select,
  sign,
  type DeviceDomain,
  type Expression,
} from '../compiler/expression.js';
import { makeRule, type HostValues, type Roles, type Rule, type Values } from '../compiler/rule.js';
import { adamDirection, adamHost, adamRoles, adamSlots } from './adamw.js';
import { biasCorrection } from './bias-correction.js';
import { rateFunction, type EquilibriumRate, type EquilibriumValues } from './equilibrium.js';
import {
  prepareRotation,
  rotate,
  rotationSlots,
  takesPlainStep,
  type RotationForm,
} from './rotation.js';
import { momentumDirection } from './sgd-momentum.js';

export type RotationalForm = Pick<RotationForm, 'zeroMean' | 'perNeuron'> & {
  readonly averaged: boolean;
  readonly equilibriumRate: EquilibriumRate | ((values: EquilibriumValues) => number);
};

/** Keeps the divisor of an update's mean norm from zero, as the authors do. */
const rotationalEpsilon = 1e-8;

/** What a rule must say of itself to become rotational. */
type Inner = {
  readonly name: string;
  readonly slots: Readonly<Record<string, DeviceDomain>>;
  readonly roles: Roles;
  /**
   * Its scalars; the plain step of a neuron without a norm is w <- w - (plainDecay w + plainStep
   * u).
   */
  readonly host: (
    values: HostValues,
  ) => Record<string, number> & { readonly plainDecay: number; readonly plainStep: number };
  /** Its direction, without learning rate and weight decay, and its new slots. */
  readonly direction: (
    values: Record<string, Expression>,
    s: Values,
  ) => { readonly u: Expression; readonly slots: Record<string, Expression> };
  readonly betas: (values: HostValues) => { readonly beta1: number; readonly beta2: number };
};

const rotational = (form: RotationalForm, inner: Inner): Rule => {
  const rate = rateFunction(inner.name, form.equilibriumRate);
  return makeRule({
    name: inner.name,
    slots: { ...inner.slots, ...rotationSlots(form) },
    roles: { ...inner.roles, norm: 'norm' },
    prepare: prepareRotation(form),
    host: (values) => {
      const { learningRate, weightDecay, updateNormDecay, count } = values;
      return {
        ...inner.host(values),
        rotation: rate({ learningRate, weightDecay, ...inner.betas(values) }),
        inverseCount: 1 / (form.perNeuron ? values.fanIn : values.size),
        updateNormDecay,
        normCorrection: 1 / biasCorrection(updateNormDecay, count + 1),
      };
    },
    update: (values: Record<string, Expression>, s: Values) => {
      const { u, slots } = inner.direction(values, s);
      const { w, norm, energy } = values;
      return {
        ...rotate(form, { w, u, norm, energy }, s, { epsilon: rotationalEpsilon }),
        ...slots,
      };
    },
  });
};

export const rotationalAdamW = (form: RotationalForm): Rule =>
  rotational(form, {
    name: 'rotationalAdamW',
    slots: adamSlots,
    roles: adamRoles,
    host: (values) => {
      const adam = adamHost(values);
      return { ...adam, plainDecay: adam.decay, plainStep: values.learningRate };
    },
    direction: (values, s) => {
      const { direction, ...slots } = adamDirection(
        values as Parameters<typeof adamDirection>[0],
        s,
      );
      return { u: mul(s.directionScale, direction), slots };
    },
    betas: ({ beta1, beta2 }) => ({ beta1, beta2 }),
  });

export const rotationalSGDM = (form: RotationalForm, nesterov: boolean): Rule =>
  rotational(form, {
    name: nesterov ? 'rotationalSGDNesterov' : 'rotationalSGDM',
    slots: { m: 'element' },
    roles: { momentum: 'm' },
    host: ({ momentum, learningRate, weightDecay }) => ({
      momentum,
      weightDecay,
      plainDecay: 0,
      plainStep: learningRate,
    }),
    direction: ({ w, g, m, norm }, s) => {
      // Only neurons that do not rotate decay, and SGD does so through its gradient. A choice
      // between elements: a decay for each neuron would have to be there before the first sweep.
      const decayed = select(takesPlainStep(norm), add(g, mul(s.weightDecay, w)), g);
      const { direction, m: next } = momentumDirection(decayed, m, s, nesterov);
      return { u: direction, slots: { m: next } };
    },
    betas: ({ momentum }) => ({ beta1: momentum, beta2: momentum }),
  });

export const rotationalLion = (form: RotationalForm): Rule =>
  rotational(form, {
    name: 'rotationalLion',
    slots: { m: 'element' },
    roles: { momentum: 'm', momentumDecay: 'beta2' },
    host: ({ beta1, beta2, learningRate, weightDecay }) => ({
      beta1,
      beta2,
      plainDecay: learningRate * weightDecay,
      plainStep: learningRate,
    }),
    direction: ({ g, m }, s) => ({ u: sign(ema(m, g, s.beta1)), slots: { m: ema(m, g, s.beta2) } }),
    betas: ({ beta1, beta2 }) => ({ beta1, beta2 }),
  });
