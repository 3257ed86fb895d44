/**
 * Twenty steps of every optimizer of the family against its float64 reference: within 1e-6 of the
 * largest weight.
 *
 * Where c = b1 m + (1 - b1) g is all cancellation, float32 may see its sign otherwise. Plain sign
 * rules leave such an element out. A rotational rule cannot: one sign turns the whole weight
 * vector, by up to 2 eta_r / |p| in each step that follows. So the neuron (without neurons: the
 * tensor) that has such an element is left out, and at most one may be.
 */
import { describe, expect, test } from 'vitest';
import {
  AdamW,
  LionA,
  LionAR,
  RAdam,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  rrc,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { adamW } from '../reference/adamw.js';
import { lionA } from '../reference/lion-a.js';
import { lionAR } from '../reference/lion-ar.js';
import { neuronsOf, wholeTensor } from '../reference/neurons.js';
import { rAdam } from '../reference/radam.js';
import type { Reference, State } from '../reference/reference.js';
import {
  prepareRotation,
  rotationalAdamW,
  rotationalLion,
  rotationalSGDM,
} from '../reference/rotational.js';
import { rrcFactor, type RRCForm } from '../reference/rrc.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, largest } from '../support/numbers.js';
import { places, train, type Executor } from './tools.js';

const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const rates = { learningRate: 0.01, weightDecay: 0.1 };
type Common = { executor: Executor; groups: { match: string; neuronAxis: number[] }[] };

/** The RRC correction scales AdamW's step and leaves its decay. */
const correctedAdamW =
  (form: RRCForm): Reference =>
  (w, g, state, options) => {
    const factor = rrcFactor(form, g, state, { beta: options.beta1, step: options.step });
    const before = w.slice();
    adamW(w, g, state, { ...options, weightDecay: 0 });
    for (let i = 0; i < w.length; i++)
      w[i] =
        before[i] * (1 - options.learningRate * options.weightDecay) + factor * (w[i] - before[i]);
  };

/** `zeroMean` and `perNeuron` as the reference must know them; undefined where nothing rotates. */
type Case = {
  readonly name: string;
  readonly make: (common: Common) => FusedOptimizer;
  readonly reference: (neurons: number[][]) => Reference;
  readonly options: Record<string, number>;
  readonly rotates?: { readonly zeroMean: boolean; readonly perNeuron?: boolean };
};

const centredNeurons = { zeroMean: true };
const cases: readonly Case[] = [
  {
    name: 'RotationalAdamW',
    make: (common) => new RotationalAdamW({ ...rates, ...common }),
    reference: (neurons) => rotationalAdamW({ neurons }),
    options: adam,
    rotates: centredNeurons,
  },
  {
    name: 'RotationalAdamW, uncentred, at the rotation of Lion, other betas',
    make: (common) =>
      new RotationalAdamW({
        ...rates,
        zeroMean: false,
        updateNormDecay: 0.5,
        beta1: 0.8,
        beta2: 0.95,
        equilibriumRate: 'lion',
        ...common,
      }),
    reference: (neurons) =>
      rotationalAdamW({
        neurons,
        zeroMean: false,
        updateNormDecay: 0.5,
        rotation: () => Math.sqrt(Math.PI * 1e-3 * (0.2 ** 2 + (0.8 ** 2 * 0.05) / 1.95)),
      }),
    options: { ...adam, beta1: 0.8, beta2: 0.95 },
    rotates: { zeroMean: false },
  },
  {
    name: 'RotationalAdamW, one norm for the tensor',
    make: (common) => new RotationalAdamW({ ...rates, perNeuron: false, ...common }),
    reference: (neurons) => rotationalAdamW({ neurons }),
    options: adam,
    rotates: { zeroMean: true, perNeuron: false },
  },
  {
    name: 'RotationalSGDM',
    make: (common) => new RotationalSGDM({ ...rates, ...common }),
    reference: (neurons) => rotationalSGDM({ neurons }),
    options: { momentum: 0.9 },
    rotates: centredNeurons,
  },
  {
    name: 'RotationalSGDM with Nesterov and a rotation of its own',
    make: (common) =>
      new RotationalSGDM({
        ...rates,
        nesterov: true,
        momentum: 0.8,
        equilibriumRate: ({ learningRate, weightDecay, beta1 }) =>
          20 * learningRate * weightDecay * beta1,
        ...common,
      }),
    reference: (neurons) => rotationalSGDM({ neurons, rotation: () => 0.016 }, true),
    options: { momentum: 0.8 },
    rotates: centredNeurons,
  },
  {
    name: 'RotationalLion',
    make: (common) => new RotationalLion({ ...rates, ...common }),
    reference: (neurons) => rotationalLion({ neurons }),
    options: { beta1: 0.9, beta2: 0.99 },
    rotates: centredNeurons,
  },
  {
    name: 'RotationalLion, uncentred, no averaging',
    make: (common) =>
      new RotationalLion({ ...rates, zeroMean: false, updateNormDecay: 0, ...common }),
    reference: (neurons) => rotationalLion({ neurons, zeroMean: false, updateNormDecay: 0 }),
    options: { beta1: 0.9, beta2: 0.99 },
    rotates: { zeroMean: false },
  },
  {
    name: 'LionAR',
    make: (common) => new LionAR({ ...rates, ...common }),
    reference: (neurons) => lionAR({ neurons }),
    options: { beta: 0.9 },
    rotates: { zeroMean: false },
  },
  {
    name: 'LionAR as the paper found best: beta .98, Nesterov, inverse bias correction, a rotation',
    make: (common) =>
      new LionAR({
        learningRate: 0.003,
        rotation: 0.04,
        beta: 0.98,
        biasCorrection: 'inverse',
        ...common,
      }),
    reference: (neurons) => lionAR({ neurons, rotation: 0.04, biasCorrection: 'inverse' }),
    options: { beta: 0.98 },
    rotates: { zeroMean: false },
  },
  {
    name: 'LionAR, centred, exact angles, plain momentum, correction for noise, at the rotation of Lion',
    make: (common) =>
      new LionAR({
        ...rates,
        zeroMean: true,
        exactAngle: true,
        nesterov: false,
        biasCorrection: 'inverseNoise',
        equilibriumRate: 'lion',
        ...common,
      }),
    reference: (neurons) =>
      lionAR({
        neurons,
        zeroMean: true,
        exactAngle: true,
        nesterov: false,
        biasCorrection: 'inverseNoise',
        equilibriumRate: 'lion',
      }),
    options: { beta: 0.9 },
    rotates: { zeroMean: true },
  },
  {
    name: 'LionAR, one angle for the tensor, RRC with a known batch',
    make: (common) =>
      new LionAR({ ...rates, perNeuron: false, rrc: rrc({ batchSize: 32 }), ...common }),
    reference: (neurons) => lionAR({ neurons, rrc: { batchSize: 32 } }),
    options: { beta: 0.9 },
    rotates: { zeroMean: false, perNeuron: false },
  },
  {
    name: 'LionAR, RRC at once',
    make: (common) =>
      new LionAR({ ...rates, rrc: rrc({ immediate: true, start: 'none' }), ...common }),
    reference: (neurons) => lionAR({ neurons, rrc: { immediate: true, start: 'none' } }),
    options: { beta: 0.9 },
    rotates: { zeroMean: false },
  },
  {
    name: 'LionA',
    make: (common) => new LionA({ ...rates, ...common }),
    reference: () => lionA(),
    options: { beta: 0.9 },
  },
  {
    name: 'LionA, unmatched, plain momentum, inverse bias correction',
    make: (common) =>
      new LionA({
        ...rates,
        matchAdamW: false,
        nesterov: false,
        biasCorrection: 'inverse',
        beta: 0.95,
        ...common,
      }),
    reference: () => lionA({ matchAdamW: false, nesterov: false, biasCorrection: 'inverse' }),
    options: { beta: 0.95 },
  },
  {
    name: 'LionA with RRC',
    make: (common) => new LionA({ ...rates, rrc: rrc({ minimum: 0.2 }), ...common }),
    reference: () => lionA({ rrc: { minimum: 0.2 } }),
    options: { beta: 0.9 },
  },
  {
    name: 'AdamW with RRC',
    make: (common) => new AdamW({ ...rates, rrc: rrc(), ...common }),
    reference: () => correctedAdamW({}),
    options: adam,
  },
  {
    name: 'AdamW with RRC at once, batch known',
    make: (common) =>
      new AdamW({ ...rates, rrc: rrc({ batchSize: 100, immediate: true }), ...common }),
    reference: () => correctedAdamW({ batchSize: 100, immediate: true }),
    options: adam,
  },
  {
    name: 'RAdam',
    make: (common) => new RAdam({ ...rates, ...common }),
    reference: () => rAdam,
    options: adam,
  },
];

const shapes: readonly { readonly shape: number[]; readonly axes: number[] }[] = [
  { shape: [256, 12], axes: [1] },
  { shape: [10, 300], axes: [0] },
  { shape: [3, 3, 5, 16], axes: [2] },
  { shape: [5, 5, 6, 2], axes: [2, 3] },
  { shape: [4, 9, 3, 7], axes: [0, 2] },
];
const steps = 20;

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  test.each(cases)('$name', async ({ make, reference, options, rotates }) => {
    await useBackend(backend);
    for (const [i, { shape, axes }] of shapes.entries()) {
      const size = shape.reduce((product, length) => product * length, 1);
      const start = bell(size, 10 + i, 0.3);
      // A mean for each element and noise: a signal that momentum finds.
      const signal = bell(size, 20 + i, 0.5);
      const gradients = Array.from({ length: steps }, (_, t) =>
        bell(size, 100 * (i + 1) + t).map((value, j) => value + signal[j]),
      );
      const weights = train(
        (name) => make({ executor, groups: [{ match: name, neuronAxis: axes }] }),
        { shape, start, gradients },
      ).at(-1)!;

      const neurons = rotates?.perNeuron === false ? wholeTensor(size) : neuronsOf(shape, axes);
      const w = Float64Array.from(start);
      const state: State = {};
      if (rotates) prepareRotation({ neurons, zeroMean: rotates.zeroMean }, w, state);
      const step = reference(neurons);
      gradients.forEach((g, t) =>
        step(w, Float64Array.from(g), state, { ...rates, ...options, step: t + 1 }),
      );

      const close = state.close ?? new Float64Array(size);
      const leftOut = new Set(
        rotates
          ? neurons.filter((indices) => indices.some((j) => close[j])).flat()
          : [...close.keys()].filter((j) => close[j]),
      );
      expect(close.reduce((total, flag) => total + flag, 0)).toBeLessThanOrEqual(1);
      expect(leftOut.size).toBeLessThan(size);
      expect(distance(weights, w, (j) => leftOut.has(j))).toBeLessThan(1e-6 * largest(w));
      expect(distance(weights, start)).toBeGreaterThan(0.01);
    }
  });
});
