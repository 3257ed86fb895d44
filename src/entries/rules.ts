/**
 * The subpath `tfjs-warmup/rules`: the rules, and the optimizer that runs one. It stands apart from
 * `src/rules`, which knows no optimizer.
 */
export * from '../rules/index.js';
export { RuleOptimizer, type RuleOptimizerOptions } from '../optimizers/rule-optimizer.js';
