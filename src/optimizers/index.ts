export { AdamW, type AdamOptions, type AdamWOptions } from './adamw.js';
export { GIAdam, type GIAdamOptions } from './gi-adam.js';
export type { Gradients, NamedGradient } from './gradient-updates.js';
export type { Group, VariableSettings } from './groups.js';
export type { LearningRate } from './learning-rate.js';
export { LionA, type LionAOptions } from './lion-a.js';
export { LionAR, type LionAROptions } from './lion-ar.js';
export { Lion, type LionOptions } from './lion.js';
export { rrc, type RRC, type RRCOptions } from './make-rrc.js';
export { measureStep, type MeasureStepOptions, type StepCost } from './measure-step.js';
export { FusedOptimizer } from './optimizer.js';
export type { CommonOptions, Options as CompleteOptions } from './options.js';
export type { Probe, ProbedVariable } from './probe.js';
export { RAdam, type RAdamOptions } from './radam.js';
export {
  registerOptimizers,
  type ClassRegistry,
  type RegisterOptimizersOptions,
} from './register.js';
export type { ResetOptions } from './reset.js';
export type { ScheduleMaker } from '../schedules/spec.js';
export { RotationalAdamW, type RotationalAdamWOptions } from './rotational-adamw.js';
export type { RotationalOptions } from './rotational-definition.js';
export { RotationalLion, type RotationalLionOptions } from './rotational-lion.js';
export { RotationalSGDM, type RotationalSGDMOptions } from './rotational-sgdm.js';
export { RuleOptimizer, type RuleOptimizerOptions } from './rule-optimizer.js';
export type { NamedTensor, StateSnapshot } from './saved-state.js';
export { SGDMomentum, type SGDMomentumOptions } from './sgd-momentum.js';
export type { Description } from './variable-state.js';
export type { ExecutorChoice } from '../executors/choose.js';
export type { ExecutorName, Reading } from '../executors/executor.js';
export type { UpdateValues } from '../compiler/program.js';
