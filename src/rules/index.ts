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
  type Expression,
  type Operand,
} from '../compiler/expression.js';
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
  Roles,
  Rule,
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
} from './converters.js';
export {
  equilibriumRotation,
  type EquilibriumRate,
  type EquilibriumValues,
} from './equilibrium.js';
export { giAdam } from './gi-adam.js';
export { lionA } from './lion-a.js';
export { lionAR } from './lion-ar.js';
export { lion } from './lion.js';
export { nesterov } from './nesterov.js';
export { rAdam } from './radam.js';
export { rotationalAdamW, rotationalLion, rotationalSGDM } from './rotational.js';
export { sgdMomentum } from './sgd-momentum.js';
