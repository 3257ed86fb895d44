export {
  abs,
  add,
  div,
  equal,
  less,
  lessEqual,
  maximum,
  minimum,
  ema,
  mul,
  neg,
  neuronSum,
  select,
  sign,
  sqrt,
  square,
  sub,
  tensorSum,
  type BinaryOperation,
  type Comparison,
  type DeviceDomain,
  type Domain,
  type Expression,
  type Operand,
  type Reduction,
  type UnaryOperation,
} from '../compiler/expression.js';
export type { Option } from '../schema.js';
export { defineRule } from '../compiler/define-rule.js';
export { deriveRule, type DeriveRuleOptions } from '../compiler/derive-rule.js';
export type {
  CommonHostName,
  CommonHostValues,
  HostValues,
  Hyperparameter,
  InputName,
  LayoutName,
  NewValues,
  OnlyDeclared,
  Roles,
  Rule,
  RuleBody,
  RuleOptions,
  Values,
} from '../compiler/rule.js';
export { adamW } from './adamw.js';
export { cautious } from './cautious.js';
export {
  adamWFromLion,
  lionFromAdamW,
  rotationFromAdamW,
  weightDecayFromRotation,
  type AdamWSettings,
  type ConverterOptions,
  type DecayedSettings,
  type LionBetas,
} from './converters.js';
export {
  equilibriumRotation,
  type EquilibriumRate,
  type EquilibriumValues,
} from './equilibrium.js';
export type { Corrected, Correction } from './correction.js';
export { giAdam, type GIAdamInitialization } from './gi-adam.js';
export { lionA, type BiasCorrection, type LionAForm, type LionAScalar } from './lion-a.js';
export { lionAR, type LionARForm } from './lion-ar.js';
export { lion } from './lion.js';
export { nesterov } from './nesterov.js';
export { rAdam } from './radam.js';
export type { RotationForm, RotationScalar } from './rotation.js';
export {
  rotationalAdamW,
  rotationalLion,
  rotationalSGDM,
  type AveragingScalar,
  type RotationalForm,
} from './rotational.js';
export { sgdMomentum } from './sgd-momentum.js';
