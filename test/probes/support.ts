/** What the tests of the stand-alone probes share. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, expect } from 'vitest';
import { normal } from '../../bench/support/random.js';
import { useBackend } from '../support/backends.js';

export const backends = ['wasm', 'cpu'] as const;

/** Every test of the group runs on the backend, and leaves no tensor behind. */
export function eachOn(backend: (typeof backends)[number]): void {
  let before = 0;
  beforeEach(async () => {
    await useBackend(backend);
    before = tf.memory().numTensors;
  });
  afterEach(() => expect(tf.memory().numTensors).toBe(before));
}

/** Standard normal numbers, the same for the same seed. */
export const normals = (size: number, seed: number): Float32Array => {
  const next = normal(seed);
  return Float32Array.from({ length: size }, () => next());
};

let made = 0;

export const variableOf = (values: ArrayLike<number>, shape: readonly number[]): tf.Variable =>
  tf.tidy(() =>
    tf.variable(
      tf.tensor(Float32Array.from(values), [...shape], 'float32'),
      true,
      `probed${made++}`,
    ),
  );

export function assign(variable: tf.Variable, values: ArrayLike<number>): void {
  tf.tidy(() =>
    variable.assign(tf.tensor(Float32Array.from(values), variable.shape, 'float32') as tf.Variable),
  );
}

/** Runs `f` and checks that no tensor is left, not even where it throws. */
export async function withoutLeak<T>(f: () => Promise<T> | T): Promise<T> {
  const before = tf.memory().numTensors;
  try {
    return await f();
  } finally {
    expect(tf.memory().numTensors).toBe(before);
  }
}

/** 0.5 x . (A x) with x the numbers of the variable; A symmetric, row by row. */
export const quadratic = (x: tf.Variable, matrix: ArrayLike<number>) => (): tf.Scalar => {
  const column = tf.reshape(x, [x.size, 1]);
  const product = tf.matMul(tf.tensor2d(Float32Array.from(matrix), [x.size, x.size]), column);
  return tf.mul(0.5, tf.sum(tf.mul(column, product)));
};

/** Q diag(eigenvalues) Q^T with Q from Gram-Schmidt on normal numbers, in double. */
export function symmetricWith(
  eigenvalues: readonly number[],
  seed: number,
): { matrix: number[]; vectors: number[][] } {
  const size = eigenvalues.length;
  const numbers = normals(size * size, seed);
  const vectors: number[][] = [];
  for (let i = 0; i < size; i++) {
    let vector = Array.from(numbers.subarray(i * size, (i + 1) * size));
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const part = vector.reduce((sum, x, k) => sum + x * other[k], 0);
        vector = vector.map((x, k) => x - part * other[k]);
      }
    }
    const length = Math.hypot(...vector);
    vectors.push(vector.map((x) => x / length));
  }
  const matrix = Array.from({ length: size * size }, (_, at) => {
    const [i, k] = [Math.floor(at / size), at % size];
    return eigenvalues.reduce((sum, value, j) => sum + value * vectors[j][i] * vectors[j][k], 0);
  });
  return { matrix, vectors };
}
