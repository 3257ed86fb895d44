/** The signal-to-noise ratio of synthetic gradients whose true ratio is known. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { gradientSNR, type GradientSNR } from '../../src/probes/index.js';
import { noiseShare } from '../../src/rules/noise-share.js';
import { useBackend } from '../support/backends.js';
import { normals, withoutLeak } from './support.js';

beforeAll(() => useBackend('wasm'));

const ratios = [0.05, 0.5, 4];
const power = (x: ArrayLike<number>): number =>
  Array.from(x).reduce((sum, value) => sum + value * value, 0);

/** sqrt(ratio) in every element, and standard normal noise: S / N = ratio on average. */
const noisy = (size: number, ratio: number, seed: number): Float64Array =>
  Float64Array.from(normals(size, seed), (noise) => Math.sqrt(ratio) + noise);

/** |g|^2 and |m / (1 - beta^t)|^2 of a run of gradients. */
function powersOf(
  size: number,
  ratio: number,
  beta: number,
  updates: number,
): { gradientPower: number[]; momentumPower: number[] } {
  const m = new Float64Array(size);
  const [gradientPower, momentumPower]: [number[], number[]] = [[], []];
  for (let t = 1; t <= updates; t++) {
    const g = noisy(size, ratio, 100 + t);
    g.forEach((value, i) => (m[i] = beta * m[i] + (1 - beta) * value));
    gradientPower.push(power(g));
    momentumPower.push(power(m) / (1 - beta ** t) ** 2);
  }
  return { gradientPower, momentumPower };
}

describe('from powers', () => {
  test.each(ratios)('a ratio of %f within 10% after 40 steps', async (ratio) => {
    const size = 20_000;
    const { signal, noise, snr, noiseScale, criticalBatchSize } = await gradientSNR({
      ...powersOf(size, ratio, 0.9, 40),
      beta: 0.9,
      updates: 40,
      batchSize: 32,
    });
    expect(Math.abs(snr / ratio - 1)).toBeLessThan(0.1);
    expect(Math.abs(noise / size - 1)).toBeLessThan(0.05);
    expect(Math.abs(signal / size / ratio - 1)).toBeLessThan(0.1);
    expect(noiseScale * snr).toBeCloseTo(1, 12);
    expect(criticalBatchSize! / noiseScale).toBeCloseTo(32, 12);
  });

  test('exact powers S + N and S + kappa_t N give S and N back, as numbers and as lists of any length', async () => {
    const unit = fc.double({ min: 0.01, max: 100, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        unit,
        unit,
        fc.double({ min: 0.05, max: 0.99, noNaN: true }),
        fc.integer({ min: 2, max: 60 }),
        fc.nat(),
        async (signal, noise, beta, updates, random) => {
          const length = 1 + (random % updates);
          const kappa = (t: number): number =>
            (((1 - beta) / (1 + beta)) * (1 + beta ** t)) / (1 - beta ** t);
          const steps = Array.from({ length }, (_, i) => updates - length + 1 + i);
          const expected = (found: GradientSNR) => {
            // The smaller of the two is a difference of powers that are nearly alike.
            const scale = (signal + noise) * (1 + 1 / (1 - kappa(updates)));
            expect(Math.abs(found.signal - signal)).toBeLessThan(1e-9 * scale);
            expect(Math.abs(found.noise - noise)).toBeLessThan(1e-9 * scale);
          };
          expected(
            await gradientSNR({
              gradientPower: signal + noise,
              momentumPower: signal + kappa(updates) * noise,
              beta,
              updates,
            }),
          );
          expected(
            await gradientSNR({
              gradientPower: steps.map(() => signal + noise),
              momentumPower: steps.map((t) => signal + kappa(t) * noise),
              beta,
              updates,
            }),
          );
        },
      ),
    );
  });

  test('the share of noise left in a running mean, by its definition: the sum of squared weights', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.05, max: 0.99, noNaN: true }),
        fc.integer({ min: 1, max: 200 }),
        (beta, updates) => {
          const weights = Array.from(
            { length: updates },
            (_, k) => ((1 - beta) * beta ** k) / (1 - beta ** updates),
          );
          expect(noiseShare(beta, updates)).toBeCloseTo(power(weights), 10);
        },
      ),
    );
  });

  test('nothing is known at the first update; estimates below 0 count as 0', async () => {
    expect(
      await gradientSNR({ gradientPower: 2, momentumPower: 2, beta: 0.9, updates: 1 }),
    ).toEqual({ signal: NaN, noise: NaN, snr: NaN, noiseScale: NaN });
    expect(
      await gradientSNR({ gradientPower: 1, momentumPower: 1.2, beta: 0.9, updates: 40 }),
    ).toMatchObject({ noise: 0, snr: Infinity, noiseScale: 0 });
    expect(
      await gradientSNR({ gradientPower: 1, momentumPower: 0.01, beta: 0.9, updates: 40 }),
    ).toMatchObject({ signal: 0, snr: 0, noiseScale: Infinity });
  });
});

describe('from halves', () => {
  test.each(ratios)('a ratio of %f within 10%, over 40 batches', async (ratio) => {
    const size = 5000;
    const found: GradientSNR[] = [];
    for (let batch = 0; batch < 40; batch++) {
      // A half has twice the noise power of the whole.
      const halves = [0, 1].map((half) =>
        tf.tensor1d(
          normals(size, 1000 + 2 * batch + half).map(
            (noise) => Math.sqrt(ratio) + Math.SQRT2 * noise,
          ),
        ),
      ) as [tf.Tensor, tf.Tensor];
      found.push(await withoutLeak(() => gradientSNR({ halves, batchSize: 64 })));
      tf.dispose(halves);
    }
    const mean = (name: 'signal' | 'noise') =>
      found.reduce((sum, estimate) => sum + estimate[name], 0) / found.length / size;
    expect(Math.abs(mean('signal') / ratio - 1)).toBeLessThan(0.1);
    expect(Math.abs(mean('noise') - 1)).toBeLessThan(0.1);
    for (const { signal, noise, snr, noiseScale, criticalBatchSize } of found) {
      expect(snr).toBe(Math.max(0, signal) / noise);
      expect(noiseScale).toBe(noise / Math.max(0, signal));
      if (signal > 0) expect(criticalBatchSize! / noiseScale).toBeCloseTo(64, 9);
    }
  });

  test('the average over steps is right where one step says next to nothing', async () => {
    const [size, ratio, batches] = [500, 0.05, 400];
    const signals: number[] = [];
    for (let batch = 0; batch < batches; batch++) {
      const halves = [0, 1].map((half) =>
        tf.tensor1d(
          normals(size, 5000 + 2 * batch + half).map(
            (noise) => Math.sqrt(ratio) + Math.SQRT2 * noise,
          ),
        ),
      ) as [tf.Tensor, tf.Tensor];
      signals.push((await gradientSNR({ halves })).signal);
      tf.dispose(halves);
    }
    expect(signals.filter((signal) => signal < 0).length).toBeGreaterThan(batches / 10);
    const mean = signals.reduce((sum, signal) => sum + signal, 0) / batches / size;
    expect(Math.abs(mean / ratio - 1)).toBeLessThan(0.2);
  });

  test('a list of variables counts as one vector', async () => {
    const [a, b] = [normals(300, 1), normals(300, 2)];
    const whole = [a, b].map((half) => tf.tensor1d(half)) as [tf.Tensor, tf.Tensor];
    const parts = [a, b].map((half) => [
      tf.tensor2d(half.slice(0, 200), [20, 10]),
      tf.tensor1d(half.slice(200)),
    ]) as [tf.Tensor[], tf.Tensor[]];
    const [first, second] = await withoutLeak(async () => [
      await gradientSNR({ halves: whole }),
      await gradientSNR({ halves: parts }),
    ]);
    const signal = Array.from(a).reduce((sum, x, i) => sum + x * b[i], 0);
    const half = Array.from(a, (x, i) => (x + b[i]) / 2);
    expect(Math.abs(first.signal - signal)).toBeLessThan(1e-4);
    expect(Math.abs(first.noise - (power(half) - signal))).toBeLessThan(1e-3);
    expect(second.signal / first.signal).toBeCloseTo(1, 5);
    expect(second.noise / first.noise).toBeCloseTo(1, 5);
    tf.dispose([whole, parts]);
  });

  test('equal halves have no noise, opposite ones no signal', async () => {
    const [g, negative] = [tf.tensor1d([3, 4]), tf.tensor1d([-3, -4])];
    expect(await gradientSNR({ halves: [g, g] })).toEqual({
      signal: 25,
      noise: 0,
      snr: Infinity,
      noiseScale: 0,
    });
    expect(await gradientSNR({ halves: [g, negative] })).toEqual({
      signal: -25,
      noise: 25,
      snr: 0,
      noiseScale: Infinity,
    });
    tf.dispose([g, negative]);
  });
});

describe('errors', () => {
  const powers = { gradientPower: 2, momentumPower: 1, beta: 0.9, updates: 5 };
  test.each([
    [
      undefined,
      'source must be { gradientPower, momentumPower, beta, updates } or { halves }, got undefined',
    ],
    [{ ...powers, batchSize: 0 }, 'batchSize must lie in [1, Infinity), got 0'],
    [{ ...powers, batchSize: 'all' }, "batchSize must lie in [1, Infinity), got 'all'"],
    [{ ...powers, beta: 0 }, 'beta must lie in (0, 1), got 0'],
    [{ ...powers, updates: 0 }, 'updates must be a whole number of at least 1, got 0'],
    [{ ...powers, gradientPower: -1 }, 'gradientPower must lie in [0, Infinity), got -1'],
    [{ ...powers, momentumPower: NaN }, 'momentumPower must lie in [0, Infinity), got NaN'],
    [
      { ...powers, gradientPower: [1, 2] },
      'momentumPower must be a number, or lists of equal length',
    ],
    [
      { ...powers, gradientPower: [], momentumPower: [] },
      'gradientPower must be a number, or lists of equal length',
    ],
    [
      { ...powers, updates: 1, gradientPower: [1, 2], momentumPower: [1, 2] },
      'gradientPower must be a number, or lists of equal length',
    ],
    [
      { ...powers, momentumPower: undefined },
      'momentumPower must be a number, or lists of equal length',
    ],
    [{ ...powers, bta: 0.9 }, "unknown option 'bta'"],
    [{ halves: [1, 2] }, 'halves must be tensors or lists of tensors, got 1'],
    [{ halves: undefined }, 'halves must be two gradients, got undefined'],
    [{ halves: [[], []] }, 'halves must be tensors or lists of tensors, got []'],
  ])('%j', async (source, message) => {
    await expect(withoutLeak(() => gradientSNR(source as never))).rejects.toThrow(
      `gradientSNR: ${message}`,
    );
  });

  test('halves of different shapes, and an unknown name beside them', async () => {
    const [a, b] = [tf.ones([2]), tf.ones([3])];
    await expect(withoutLeak(() => gradientSNR({ halves: [a, b] }))).rejects.toThrow(
      "gradientSNR: the second half's shapes must be those of the first, [2], got '[3]'",
    );
    await expect(withoutLeak(() => gradientSNR({ halves: [a, [a, a]] }))).rejects.toThrow(
      "gradientSNR: the second half's shapes must be those of the first",
    );
    await expect(
      withoutLeak(() => gradientSNR({ halves: [a, a], batchSize: 0.5 })),
    ).rejects.toThrow('gradientSNR: batchSize must lie in [1, Infinity), got 0.5');
    await expect(
      withoutLeak(() => gradientSNR({ halves: [a, a], beta: 0.9 } as never)),
    ).rejects.toThrow("gradientSNR: unknown option 'beta'");
    tf.dispose([a, b]);
  });
});
