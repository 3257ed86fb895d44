/**
 * The rotational variants (RV) of AdamW, SGDM and Lion.
 * Source: Kosson, Messmer, Jaggi, Rotational equilibrium (arXiv 2305.17212) and its authors' code.
 * float64 reference: test/reference/rotational.ts.
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
import type { Option } from '../schema.js';
import { adamDirection, adamHost, adamHyperparameters, adamRoles, adamSlots } from './adamw.js';
import { biasCorrection } from './bias-correction.js';
import { rateFunction, type EquilibriumRate, type EquilibriumValues } from './equilibrium.js';
import { lionHyperparameters } from './lion.js';
import {
  checkRotation,
  prepareRotation,
  rotate,
  rotationHyperparameters,
  rotationSlots,
  takesPlainStep,
  type RotationForm,
  type RotationScalar,
} from './rotation.js';
import { momentumDirection, momentumHyperparameters } from './sgd-momentum.js';

export type RotationalForm = Pick<RotationForm, 'zeroMean' | 'perNeuron'> & {
  readonly averaged: boolean;
  readonly equilibriumRate: EquilibriumRate | ((values: EquilibriumValues) => number);
};

/** Keeps the divisor of an update's mean norm from zero, as the authors do. */
const rotationalEpsilon = 1e-8;

/** What a rule must say of itself to become rotational. */
type Inner<Slot extends string, Hyper extends string, Scalar extends string> = {
  readonly name: string;
  readonly slots: Readonly<Record<Slot, DeviceDomain>>;
  readonly roles: Roles;
  readonly hyperparameters: Readonly<Record<Hyper, Option>>;
  readonly decoupled: boolean;
  /**
   * Its scalars; the plain step of a neuron without a norm is w <- w - (plainDecay w + plainStep
   * u).
   */
  host(
    values: HostValues<NoInfer<Hyper>>,
  ): Readonly<Record<Scalar | 'plainDecay' | 'plainStep', number>>;
  /** Its direction, without learning rate and weight decay, and its new slots. */
  direction(
    values: Values<'w' | 'g' | 'norm' | NoInfer<Slot>>,
    s: Values<NoInfer<Scalar>>,
  ): { readonly u: Expression; readonly slots: Values<NoInfer<Slot>> };
  /** What stands for beta1 and beta2 in the formulas of the equilibrium. */
  betas(values: HostValues<NoInfer<Hyper>>): Pick<EquilibriumValues, 'beta1' | 'beta2'>;
};

export type AveragingScalar = 'updateNormDecay' | 'normCorrection';

/** The rotational form of a rule; inside, any names will do. */
function rotational<Slot extends string, Hyper extends string, Scalar extends string>(
  form: RotationalForm,
  inner: Inner<Slot, Hyper, Scalar>,
): Rule<
  Slot | 'norm' | 'energy',
  Hyper | 'updateNormDecay',
  Scalar | RotationScalar | AveragingScalar
>;
function rotational(form: RotationalForm, inner: Inner<string, string, string>): Rule {
  const rate = rateFunction(inner.name, form.equilibriumRate);
  return makeRule<string, string, string>({
    name: inner.name,
    slots: { ...inner.slots, ...rotationSlots(form) },
    roles: { ...inner.roles, norm: 'norm' },
    hyperparameters: { ...inner.hyperparameters, ...rotationHyperparameters },
    decoupled: inner.decoupled,
    prepare: prepareRotation(form),
    host(values) {
      const { learningRate, weightDecay, updateNormDecay, count } = values;
      const rotation = rate({ learningRate, weightDecay, ...inner.betas(values) });
      checkRotation(inner.name, rotation);
      return {
        ...inner.host(values),
        rotation,
        inverseCount: 1 / (form.perNeuron ? values.fanIn : values.size),
        updateNormDecay,
        normCorrection: 1 / biasCorrection(updateNormDecay, count + 1),
      };
    },
    update(values, s) {
      const { u, slots } = inner.direction(values, s);
      const { w, norm, energy } = values;
      const average = form.averaged
        ? { energy, decay: s.updateNormDecay, correction: s.normCorrection }
        : undefined;
      const inputs = { w, u, norm, average };
      return { ...rotate(form, inputs, s, { epsilon: rotationalEpsilon }), ...slots };
    },
  });
}

/** The rotational variant of AdamW. */
export const rotationalAdamW = (form: RotationalForm) =>
  rotational(form, {
    name: 'rotationalAdamW',
    slots: adamSlots,
    roles: adamRoles,
    hyperparameters: adamHyperparameters,
    decoupled: true,
    host(values) {
      const adam = adamHost(values);
      return { ...adam, plainDecay: adam.decay, plainStep: values.learningRate };
    },
    direction(values, s) {
      const { direction, ...slots } = adamDirection(values, s);
      return { u: mul(s.directionScale, direction), slots };
    },
    betas: ({ beta1, beta2 }) => ({ beta1, beta2 }),
  });

/** The rotational variant of SGD with momentum. */
export const rotationalSGDM = (form: RotationalForm, nesterov: boolean) =>
  rotational(form, {
    name: nesterov ? 'rotationalSGDNesterov' : 'rotationalSGDM',
    slots: { m: 'element' },
    roles: { momentum: 'm' },
    hyperparameters: momentumHyperparameters,
    decoupled: false,
    host: ({ momentum, learningRate, weightDecay }) => ({
      momentum,
      weightDecay,
      plainDecay: 0,
      plainStep: learningRate,
    }),
    direction({ w, g, m, norm }, s) {
      // Only neurons that do not rotate decay, and SGD does so through its gradient. A choice
      // between elements: a decay for each neuron would have to be there before the first sweep.
      const decayed = select(takesPlainStep(norm), add(g, mul(s.weightDecay, w)), g);
      const { direction, m: next } = momentumDirection({ g: decayed, m }, s, nesterov);
      return { u: direction, slots: { m: next } };
    },
    betas: ({ momentum }) => ({ beta1: momentum, beta2: momentum }),
  });

/** The rotational variant of Lion. */
export const rotationalLion = (form: RotationalForm) =>
  rotational(form, {
    name: 'rotationalLion',
    slots: { m: 'element' },
    roles: { momentum: 'm', momentumDecay: 'beta2' },
    hyperparameters: lionHyperparameters,
    decoupled: true,
    host: ({ beta1, beta2, learningRate, weightDecay }) => ({
      beta1,
      beta2,
      plainDecay: learningRate * weightDecay,
      plainStep: learningRate,
    }),
    direction: ({ g, m }, s) => ({ u: sign(ema(m, g, s.beta1)), slots: { m: ema(m, g, s.beta2) } }),
    betas: ({ beta1, beta2 }) => ({ beta1, beta2 }),
  });
