/** Spectral norm and stable rank of matrices whose singular values are known. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { spectralNorm, stableRank } from '../../src/probes/index.js';
import { symmetricEigen } from '../../src/probes/symmetric-eigen.js';
import { useBackend } from '../support/backends.js';
import { backends, normals, symmetricWith, withoutLeak } from './support.js';

/** U diag(values) V^T, [rows, columns], row by row. */
function matrixWith(values: readonly number[], rows: number, columns: number): Float32Array {
  const [u, v] = [
    symmetricWith(
      Array.from({ length: rows }, () => 1),
      1,
    ).vectors,
    symmetricWith(
      Array.from({ length: columns }, () => 1),
      2,
    ).vectors,
  ];
  return Float32Array.from({ length: rows * columns }, (_, at) =>
    values.reduce(
      (sum, value, k) => sum + u[k][Math.floor(at / columns)] * value * v[k][at % columns],
      0,
    ),
  );
}

const energy = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value * value, 0);

/** Both probes of a tensor, which is freed. */
async function probed(weights: tf.Tensor): Promise<{ norm: number; rank: number }> {
  const [norm, rank] = await withoutLeak(async () => [
    await spectralNorm(weights),
    await stableRank(weights),
  ]);
  weights.dispose();
  return { norm, rank };
}

describe.each(backends)('on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  const spectra: Record<string, readonly [values: number[], rows: number, columns: number]> = {
    tall: [[5, 3, 1, 0.1], 9, 4],
    wide: [[5, 3, 1, 0.1], 4, 9],
    'two largest close together': [
      [2, 1.999, ...Array.from({ length: 28 }, (_, i) => 1.9 - 0.05 * i)],
      40,
      30,
    ],
    'two largest equal': [[2, 2, 1], 3, 3],
    'rank 1': [[3], 12, 7],
    small: [[1e-12, 5e-13], 5, 5],
    large: [[1e12, 5e11], 5, 5],
    'one number': [[4], 1, 1],
    'a row': [[3], 1, 6],
  };
  test.each(Object.entries(spectra))('%s', async (_, [values, rows, columns]) => {
    const { norm, rank } = await probed(
      tf.tensor2d(matrixWith(values, rows, columns), [rows, columns]),
    );
    expect(Math.abs(norm / values[0] - 1)).toBeLessThan(2e-6);
    expect(Math.abs(rank / (energy(values) / values[0] ** 2) - 1)).toBeLessThan(1e-5);
  });

  test('equals the largest eigenvalue of W^T W of a random matrix, in double', async () => {
    const [rows, columns] = [50, 40];
    const w = normals(rows * columns, 3);
    const gram = Array.from({ length: columns }, (_, i) =>
      Array.from({ length: columns }, (_, k) =>
        Array.from({ length: rows }, (_, r) => w[r * columns + i] * w[r * columns + k]).reduce(
          (p, q) => p + q,
        ),
      ),
    );
    const largest = symmetricEigen(gram).values[0];
    const { norm, rank } = await probed(tf.tensor2d(w, [rows, columns]));
    expect(Math.abs(norm / Math.sqrt(largest) - 1)).toBeLessThan(2e-6);
    expect(Math.abs(rank / (energy(Array.from(w)) / largest) - 1)).toBeLessThan(1e-5);
  });

  test('an orthogonal matrix has the stable rank of its size, an outer product 1', async () => {
    expect(
      (await probed(tf.tensor2d(matrixWith([7, 7, 7, 7, 7, 7], 6, 6), [6, 6]))).rank,
    ).toBeCloseTo(6, 4);
    expect((await probed(tf.tensor2d(matrixWith([7], 6, 6), [6, 6]))).rank).toBeCloseTo(1, 5);
  });

  test('a zero matrix has neither', async () => {
    expect(await probed(tf.zeros([4, 3]))).toEqual({ norm: 0, rank: 0 });
  });

  test('a convolution kernel is the matrix [h w in, out]', async () => {
    const values = [4, 2, 1];
    const { norm, rank } = await probed(
      tf.tensor4d(matrixWith(values, 3 * 3 * 2, 5), [3, 3, 2, 5]),
    );
    expect(norm).toBeCloseTo(4, 5);
    expect(rank).toBeCloseTo(energy(values) / 16, 5);
  });

  test('the weights of one moment are measured, though training goes on', async () => {
    const w = tf.variable(
      tf.tensor2d([
        [3, 0],
        [0, 4],
      ]),
    );
    const pending = [spectralNorm(w), stableRank(w)];
    const next = tf.tensor2d([
      [100, 0],
      [0, 0],
    ]);
    w.assign(next as unknown as tf.Variable<tf.Rank.R2>);
    const [norm, rank] = await Promise.all(pending);
    expect(norm).toBeCloseTo(4, 5);
    expect(rank).toBeCloseTo(25 / 16, 5);
    [w, next].forEach((tensor) => tensor.dispose());
  });

  test('laws: 1 <= stable rank <= the shorter side; neither turning signs nor transposing matters; the norm scales', async () => {
    const sides = fc.integer({ min: 1, max: 8 });
    await fc.assert(
      fc.asyncProperty(
        sides,
        sides,
        fc.nat(),
        fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
        async (rows, columns, seed, factor) => {
          const w = normals(rows * columns, seed);
          const plain = await probed(tf.tensor2d(w, [rows, columns]));
          const turned = await probed(
            tf.tidy(() => tf.transpose(tf.mul(-factor, tf.tensor2d(w, [rows, columns])))),
          );
          expect(plain.rank).toBeGreaterThan(1 - 1e-5);
          expect(plain.rank).toBeLessThan(Math.min(rows, columns) + 1e-4);
          expect(turned.norm / plain.norm / factor).toBeCloseTo(1, 5);
          expect(turned.rank / plain.rank).toBeCloseTo(1, 4);
        },
      ),
      { numRuns: 25, seed: 1 },
    );
  });

  test('too few iterations give a lower bound', async () => {
    const w = tf.tensor2d(
      matrixWith([1.01, ...Array.from({ length: 29 }, (_, i) => 1 - 0.01 * i)], 30, 30),
      [30, 30],
    );
    const few = await spectralNorm(w, { maxIterations: 3 });
    expect(few).toBeGreaterThan(0.8);
    expect(few).toBeLessThan(1.01 - 1e-4);
    w.dispose();
  });

  test.each([
    ['spectralNorm', spectralNorm],
    ['stableRank', stableRank],
  ])('%s: errors', async (name, probe) => {
    const fails = async (weights: unknown, message: string, options?: unknown) => {
      await expect(
        withoutLeak(() => probe(weights as tf.Tensor, options as never)),
      ).rejects.toThrow(`${name}: ${message}`);
      if (weights instanceof tf.Tensor && !weights.isDisposed) weights.dispose();
    };
    await fails([[1]], 'weights must be a tensor, got [[1]]');
    await fails(
      tf.ones([3]),
      'weights must have a rank of at least 2 and at least one number, got a tensor of shape [3]',
    );
    await fails(
      tf.ones([0, 3]),
      'weights must have a rank of at least 2 and at least one number, got a tensor of shape [0,3]',
    );
    await fails(tf.ones([2, 2], 'int32'), "weights must have the dtype 'float32', got 'int32'");
    await fails(tf.tensor2d([[1, NaN]]), 'weights must be finite numbers with finite squares');
    await fails(tf.fill([2, 2], 1e25), 'weights must be finite numbers with finite squares');
    await fails(
      tf.ones([2, 2]),
      "unknown option 'start', allowed are tolerance, maxIterations, seed",
      { start: [1, 1] },
    );
    await fails(tf.ones([2, 2]), 'tolerance must lie in (0, 1), got 1', { tolerance: 1 });
    const gone = tf.ones([2, 2]);
    gone.dispose();
    await fails(gone, 'weights must not be disposed, got a tensor of shape [2,2]');
  });
});
