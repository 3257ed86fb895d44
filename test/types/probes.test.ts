/** The types of probes, as a user meets them; `tsc --noEmit` checks them. */
import type * as tf from '@tensorflow/tfjs-core';
import { expectTypeOf, test } from 'vitest';
import type {
  CommonOptions,
  MetricName,
  ProbeReading,
  sharpness,
  UpdateProbe,
  UpdateProbeOptions,
  VariableReading,
} from '../../src/index.js';

test('a probe reads a list of steps, oldest first', () => {
  expectTypeOf<UpdateProbe['read']>().returns.resolves.toEqualTypeOf<ProbeReading[]>();
  expectTypeOf<ProbeReading['step']>().toBeNumber();
  expectTypeOf<ProbeReading['variables'][string]>().toExtend<VariableReading>();
});

test('a metric is a number, or a list by neuron; one that was not asked for is undefined', () => {
  expectTypeOf<VariableReading['updateNorm']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<VariableReading['angularUpdate']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<NonNullable<VariableReading['neuronAngularUpdate']>>().toExtend<ArrayLike<number>>();
  expectTypeOf<VariableReading>().not.toHaveProperty('updateNrom');
});

test('metrics are asked for by their names', () => {
  expectTypeOf<'updateNorm' | 'relativeUpdate' | 'gradientSNR'>().toExtend<MetricName>();
  expectTypeOf<'norm'>().not.toExtend<MetricName>();
  expectTypeOf<MetricName[]>().toExtend<UpdateProbeOptions['metrics']>();
  expectTypeOf<string[]>().not.toExtend<UpdateProbeOptions['metrics']>();
});

test('an optimizer takes the probe', () => {
  expectTypeOf<UpdateProbe>().toExtend<CommonOptions['probe']>();
});

test('sharpness is computed of a loss and its variables', () => {
  expectTypeOf<() => tf.Scalar>().toExtend<Parameters<typeof sharpness>[0]>();
  expectTypeOf<tf.Variable[]>().toExtend<Parameters<typeof sharpness>[1]>();
  expectTypeOf<typeof sharpness>().returns.resolves.toHaveProperty('converged');
});
