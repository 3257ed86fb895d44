/** The types that a user meets; `tsc --noEmit` checks them. */
import * as tf from '@tensorflow/tfjs-core';
import { expectTypeOf, test } from 'vitest';
import type {
  AdamW,
  AdamWOptions,
  CommonOptions,
  Description,
  FusedOptimizer,
  GIAdamOptions,
  LearningRate,
  LionAOptions,
  LionAROptions,
  LionOptions,
  RotationalAdamWOptions,
  RotationalSGDMOptions,
  RRC,
  RuleOptimizer,
  RuleOptimizerOptions,
  SGDMomentumOptions,
} from '../../src/index.js';
import { linearWarmup, type Schedule } from '../../src/schedules/index.js';

type OptionsOf<T extends abstract new (...args: never[]) => unknown> = ConstructorParameters<T>[0];

test('an optimizer is one of tfjs', () => {
  expectTypeOf<FusedOptimizer>().toExtend<tf.Optimizer>();
  expectTypeOf<AdamW>().toExtend<FusedOptimizer>();
  expectTypeOf<RuleOptimizer>().toExtend<FusedOptimizer>();
});

test('of all options only the learning rate is required', () => {
  expectTypeOf<{ learningRate: number }>().toExtend<AdamWOptions>();
  expectTypeOf<{ learningRate: number }>().toExtend<LionAROptions>();
  expectTypeOf<{ learningRate: number }>().toExtend<RotationalSGDMOptions>();
  expectTypeOf<{ beta1: number }>().not.toExtend<AdamWOptions>();
  expectTypeOf<CommonOptions>().toHaveProperty('learningRate');
  expectTypeOf<OptionsOf<typeof AdamW>>().toEqualTypeOf<AdamWOptions>();
});

test('a learning rate is a number, a schedule or a function of the step', () => {
  expectTypeOf<CommonOptions['learningRate']>().toEqualTypeOf<LearningRate>();
  expectTypeOf<number>().toExtend<LearningRate>();
  expectTypeOf<Schedule>().toExtend<LearningRate>();
  expectTypeOf(linearWarmup({ peak: 0.1, warmupSteps: 10 })).toExtend<LearningRate>();
  expectTypeOf<(step: number) => number>().toExtend<LearningRate>();
  expectTypeOf<string>().not.toExtend<LearningRate>();
  expectTypeOf<(step: number) => string>().not.toExtend<LearningRate>();
});

test('a choice is one of its names', () => {
  expectTypeOf<CommonOptions['executor']>().toEqualTypeOf<'auto' | 'ops' | undefined>();
  expectTypeOf<LionAOptions['biasCorrection']>().toEqualTypeOf<
    'none' | 'inverse' | 'inverseNoise' | undefined
  >();
  expectTypeOf<LionAROptions['equilibriumRate']>().toEqualTypeOf<'adamw' | 'lion' | undefined>();
  expectTypeOf<GIAdamOptions['initialization']>().toEqualTypeOf<
    'gradient' | 'firstNonZeroGradient' | 'random' | undefined
  >();
});

test('each optimizer has its own options and no others', () => {
  expectTypeOf<AdamWOptions['epsilon']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<AdamWOptions['rrc']>().toEqualTypeOf<RRC | undefined>();
  expectTypeOf<LionAROptions['rotation']>().toEqualTypeOf<LearningRate | undefined>();
  expectTypeOf<SGDMomentumOptions['nesterov']>().toEqualTypeOf<boolean | undefined>();
  expectTypeOf<RotationalAdamWOptions['perNeuron']>().toEqualTypeOf<boolean | undefined>();
  expectTypeOf<LionOptions>().not.toHaveProperty('epsilon');
  expectTypeOf<SGDMomentumOptions>().not.toHaveProperty('beta1');
  expectTypeOf<LionAOptions>().not.toHaveProperty('rotation');
});

test('gradients come by name, or as a list with an entry for every variable', () => {
  expectTypeOf<FusedOptimizer['applyGradients']>().parameters.toEqualTypeOf<
    Parameters<AdamW['applyGradients']>
  >();
  type Gradients = Parameters<FusedOptimizer['applyGradients']>[0];
  expectTypeOf<tf.NamedTensorMap>().toExtend<Gradients>();
  expectTypeOf<{ name: string; tensor: tf.Tensor }[]>().toExtend<Gradients>();
  // As model.fit does for variables that the loss does not depend on.
  expectTypeOf<({ name: string; tensor: null | undefined } | null)[]>().toExtend<Gradients>();
  expectTypeOf<tf.Tensor[]>().not.toExtend<Gradients>();
  expectTypeOf<{ value: tf.Tensor; grads: tf.NamedTensorMap }['grads']>().toExtend<Gradients>();
});

test('what an optimizer tells of itself', () => {
  expectTypeOf<FusedOptimizer['executorName']>().toEqualTypeOf<'wasm' | 'webgpu' | 'ops'>();
  expectTypeOf<FusedOptimizer['currentLearningRate']>().toBeNumber();
  expectTypeOf<FusedOptimizer['describe']>().returns.toEqualTypeOf<Description[]>();
  expectTypeOf<Description['neuronAxis']>().toExtend<number | readonly number[]>();
  expectTypeOf<Description['rotational']>().toBeBoolean();
  expectTypeOf<FusedOptimizer['getWeights']>().returns.resolves.items.toHaveProperty('tensor');
  expectTypeOf<FusedOptimizer['prepare']>().parameter(0).toEqualTypeOf<readonly tf.Variable[]>();
});

test('a rule of your own takes numbers by name', () => {
  expectTypeOf<RuleOptimizerOptions>().toExtend<CommonOptions>();
  expectTypeOf<RuleOptimizerOptions>().toHaveProperty('rule');
  expectTypeOf<{ beta: number }>().toExtend<NonNullable<RuleOptimizerOptions['hyperparameters']>>();
  expectTypeOf<{ beta: string }>().not.toExtend<
    NonNullable<RuleOptimizerOptions['hyperparameters']>
  >();
  expectTypeOf<OptionsOf<typeof RuleOptimizer>>().not.toBeAny();
});
