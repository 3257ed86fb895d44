export {
  abs, add, div, equal, less, lessEqual, maximum, minimum, mix, mul, neg, neuronSum, select, sign, sqrt, square, sub, tensorSum,
  type Expression, type Operand,
} from '../compiler/expression.js';
export { defineRule, type HostValues, type NewValues, type Roles, type Rule, type RuleOptions, type Values } from '../compiler/rule.js';
export { RuleOptimizer, type RuleOptimizerOptions } from '../optimizers/rule-optimizer.js';
export { adamW } from './adamw.js';
export { giAdam } from './gi-adam.js';
export { lion } from './lion.js';
export { sgdMomentum } from './sgd-momentum.js';
