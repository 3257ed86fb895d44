export { AdamW, type AdamWOptions } from './adamw.js';
export { GIAdam, type GIAdamOptions } from './gi-adam.js';
export type { Group, VariableSettings } from './groups.js';
export type { LearningRate } from './learning-rate.js';
export { Lion, type LionOptions } from './lion.js';
export { FusedOptimizer, type CommonOptions } from './optimizer.js';
export { registerOptimizers } from './register.js';
export { RuleOptimizer, type RuleOptimizerOptions } from './rule-optimizer.js';
export { SGDMomentum, type SGDMomentumOptions } from './sgd-momentum.js';
