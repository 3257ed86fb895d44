/**
 * Thresholds found by simulation: the optimizers of this library descend many quadratics h x^2 / 2
 * at once, each weight its own, and the smallest h whose weight grows is the threshold. Kalra and
 * Barkeshli (arXiv 2406.09405), B.1 and E.4.
 */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AdamW, SGDMomentum, type FusedOptimizer } from '../../src/optimizers/index.js';
import {
  distanceToInstability,
  instabilityThreshold,
  type InstabilityKind,
} from '../../src/probes/index.js';
import { preconditionedSharpness } from '../../src/probes/preconditioned-sharpness.js';
import { sharpness } from '../../src/probes/sharpness.js';
import { backends, eachOn, quadratic, symmetricWith, variableOf } from './support.js';

/** Curvatures from 0.5 to 100, 0.2% apart: nothing about where the threshold lies. */
const grid = Array.from({ length: 2650 }, (_, i) => 0.5 * 1.002 ** i);
const steps = 500;
/** Small, so that what grows does not move Adam's v before it is seen to grow. */
const start = 1e-5;
/** More than momentum overshoots where it is stable. */
const runaway = 100 * start;

const curved = (w: tf.Variable, curvatures: readonly number[]) => (): tf.Scalar =>
  tf.tidy(() => tf.mul(0.5, tf.sum(tf.mul(tf.tensor1d([...curvatures]), tf.square(w)))));

/** The weights after so many more steps. */
const train = (
  optimizer: FusedOptimizer,
  w: tf.Variable,
  loss: () => tf.Scalar,
  count: number,
): tf.TypedArray => {
  for (let step = 0; step < count; step++) optimizer.minimize(loss, false, [w]);
  return w.dataSync();
};

/**
 * The smallest of the grid's curvatures, times `scale`, whose weight has ever run away: Adam, once
 * v has grown, calls it back.
 */
function simulatedThreshold(optimizer: FusedOptimizer, w: tf.Variable, scale: number): number {
  const loss = curved(
    w,
    grid.map((h) => scale * h),
  );
  let unstable = grid.length;
  for (let step = 0; step < steps; step++) {
    const weights = train(optimizer, w, loss, 1);
    const first = weights.findIndex((weight) => Math.abs(weight) > runaway);
    if (first >= 0) unstable = Math.min(unstable, first);
  }
  return scale * grid[unstable];
}

/**
 * AdamW that has had a million updates, with v / (1 - beta2^t) = p^2 for every weight, which
 * further gradients hardly move.
 */
async function frozenAdam(
  learningRate: number,
  beta1: number,
  p: number,
  w: tf.Variable,
): Promise<AdamW> {
  const [beta2, count] = [1 - 1e-9, 1_000_000];
  const optimizer = new AdamW({ learningRate, beta1, beta2, weightDecay: 0, epsilon: 0 });
  const v = -Math.expm1(count * Math.log(beta2)) * p * p;
  const state = [
    { name: 'iter', tensor: tf.scalar(count, 'int32') },
    { name: `${w.name}/count`, tensor: tf.scalar(count, 'int32') },
    { name: `${w.name}/m`, tensor: tf.zeros(w.shape) },
    { name: `${w.name}/v`, tensor: tf.fill(w.shape, v) },
  ];
  await optimizer.setWeights(state);
  for (const { tensor } of state) tensor.dispose();
  return optimizer;
}

describe.each(backends)('on %s', (backend) => {
  eachOn(backend);

  type Subject = {
    kind: InstabilityKind;
    beta: number;
    learningRate: number;
    preconditioner: number;
    units: number;
  };
  const subjects: Record<string, Subject> = {
    'gradient descent': { kind: 'gd', beta: 0, learningRate: 0.1, preconditioner: 1, units: 2 },
    'momentum .9': {
      kind: 'momentum',
      beta: 0.9,
      learningRate: 0.02,
      preconditioner: 1,
      units: 3.8,
    },
    'momentum .5': { kind: 'momentum', beta: 0.5, learningRate: 3, preconditioner: 1, units: 3 },
    'Adam, beta1 .9': { kind: 'adam', beta: 0.9, learningRate: 0.01, preconditioner: 2, units: 38 },
    'Adam, beta1 .5': { kind: 'adam', beta: 0.5, learningRate: 1, preconditioner: 0.5, units: 6 },
  };
  const make = async (
    { kind, beta, learningRate, preconditioner }: Subject,
    w: tf.Variable,
  ): Promise<FusedOptimizer> =>
    kind === 'adam'
      ? frozenAdam(learningRate, beta, preconditioner, w)
      : new SGDMomentum({ learningRate, momentum: beta });

  test.each(Object.entries(subjects))('%s', async (_, subject) => {
    const { kind, beta, learningRate, preconditioner, units } = subject;
    const w = variableOf(
      grid.map(() => start),
      [grid.length],
    );
    const optimizer = await make(subject, w);
    const found = simulatedThreshold(optimizer, w, preconditioner / learningRate) / preconditioner;
    expect(Math.abs((found * learningRate) / units - 1)).toBeLessThan(0.01);
    expect(Math.abs(instabilityThreshold({ learningRate, kind, beta }) / found - 1)).toBeLessThan(
      0.01,
    );
    optimizer.dispose();
    w.dispose();
  });

  test.each(Object.entries(subjects))(
    '%s: measured by sharpness(), 2 percent below the threshold falls to rest, 2 percent above it runs away',
    async (_, subject) => {
      const { kind, beta, learningRate, preconditioner } = subject;
      for (const distance of [0.98, 1.02]) {
        const top = distance * instabilityThreshold({ learningRate, kind, beta }) * preconditioner;
        const { matrix, vectors } = symmetricWith([top, 0.3 * top, 0.1 * top, 0.05 * top], 5);
        const w = variableOf(
          vectors[0].map((x) => start * x),
          [4],
        );
        const optimizer = await make(subject, w);
        const loss = () => tf.tidy(quadratic(w, matrix));
        const { value } =
          kind === 'adam'
            ? await preconditionedSharpness(optimizer, loss, [w])
            : await sharpness(loss, [w]);
        expect(
          Math.abs(
            distanceToInstability({ sharpness: value, learningRate, kind, beta }) / distance - 1,
          ),
        ).toBeLessThan(1e-3);
        let size = start;
        for (let step = 0; step < steps && size > 0.1 * start && size < runaway; step++)
          size = Math.hypot(...Array.from(train(optimizer, w, loss, 1)));
        if (distance < 1) expect(size).toBeLessThan(0.1 * start);
        else expect(size).toBeGreaterThan(runaway);
        optimizer.dispose();
        w.dispose();
      }
    },
  );

  test('the first step of momentum is unstable above 2 / learningRate already', () => {
    const [learningRate, h] = [0.1, 30];
    const w = variableOf([start], [1]);
    const optimizer = new SGDMomentum({ learningRate, momentum: 0.9 });
    const loss = curved(w, [h]);
    expect(Math.abs(train(optimizer, w, loss, 1)[0])).toBeGreaterThan(1.5 * start);
    expect(Math.abs(train(optimizer, w, loss, steps)[0])).toBeLessThan(0.1 * start);
    expect(distanceToInstability({ sharpness: h, learningRate })).toBeGreaterThan(1);
    expect(distanceToInstability({ sharpness: h, learningRate, kind: 'momentum' })).toBeLessThan(1);
    optimizer.dispose();
    w.dispose();
  });
});

describe('laws', () => {
  const rates = fc.double({ min: 1e-8, max: 100, noNaN: true });
  const betas = fc.double({ min: 0, max: 0.999, noNaN: true });
  const kinds = fc.constantFrom<InstabilityKind[]>('gd', 'momentum', 'adam');

  test('a threshold is inverse to the rate; the distance is 1 at it, and linear in the sharpness', () => {
    fc.assert(
      fc.property(
        rates,
        betas,
        kinds,
        fc.double({ min: -100, max: 100, noNaN: true }),
        (learningRate, beta, kind, factor) => {
          const threshold = instabilityThreshold({ learningRate, beta, kind });
          expect(
            instabilityThreshold({ learningRate: learningRate / 2, beta, kind }) / threshold,
          ).toBeCloseTo(2, 12);
          expect(
            distanceToInstability({ sharpness: factor * threshold, learningRate, beta, kind }),
          ).toBeCloseTo(factor, 9);
        },
      ),
    );
  });

  test('without momentum all three are 2 / learningRate; with it gd < momentum < adam', () => {
    fc.assert(
      fc.property(
        rates,
        fc.double({ min: 1e-3, max: 0.999, noNaN: true }),
        (learningRate, beta) => {
          const [gd, momentum, adam] = (['gd', 'momentum', 'adam'] as const).map((kind) =>
            instabilityThreshold({ learningRate, beta, kind }),
          );
          expect(gd).toBeLessThan(momentum);
          expect(momentum).toBeLessThan(adam);
          for (const kind of ['gd', 'momentum', 'adam'] as const)
            expect(instabilityThreshold({ learningRate, beta: 0, kind })).toBe(2 / learningRate);
        },
      ),
    );
  });

  test('defaults: gd, and beta .9', () => {
    expect(instabilityThreshold({ learningRate: 0.5 })).toBe(4);
    expect(instabilityThreshold({ learningRate: 1, kind: 'momentum' })).toBeCloseTo(3.8, 12);
    expect(instabilityThreshold({ learningRate: 1, kind: 'adam' })).toBeCloseTo(38, 12);
  });
});

describe('errors', () => {
  test.each([
    [{}, 'learningRate must lie in (0, Infinity), got undefined'],
    [{ learningRate: 0 }, 'learningRate must lie in (0, Infinity), got 0'],
    [{ learningRate: 1, kind: 'sgd' }, "kind must be 'gd', 'momentum' or 'adam', got 'sgd'"],
    [{ learningRate: 1, beta: 1 }, 'beta must lie in [0, 1), got 1'],
    [{ learningRate: 1, beta1: 0.9 }, "unknown option 'beta1', allowed are"],
    [undefined, 'options must be an object with'],
  ])('%j', (options, message) => {
    expect(() => instabilityThreshold(options as never)).toThrow(
      `instabilityThreshold: ${message}`,
    );
    expect(() => distanceToInstability((options && { sharpness: 1, ...options }) as never)).toThrow(
      `distanceToInstability: ${message}`,
    );
  });

  test('a sharpness that is no finite number', () => {
    for (const sharpness of [NaN, Infinity, undefined]) {
      expect(() =>
        distanceToInstability({ sharpness: sharpness as number, learningRate: 1 }),
      ).toThrow(
        `distanceToInstability: sharpness must lie in (-Infinity, Infinity), got ${sharpness}`,
      );
    }
  });
});
