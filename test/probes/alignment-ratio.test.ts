/** The alignment ratio against the formulas of arXiv 2510.19093 in double. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { alignmentRatio, type Alignment, type AlignmentOptions } from '../../src/probes/index.js';
import { useBackend } from '../support/backends.js';
import { backends, normals, withoutLeak } from './support.js';

const length = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x));

/** [rows, inner] times [inner, columns], row by row. */
function product(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  inner: number,
  columns: number,
): number[] {
  return Array.from({ length: (x.length / inner) * columns }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < inner; k++)
      sum += x[Math.floor(at / columns) * inner + k] * w[k * columns + (at % columns)];
    return sum;
  });
}

function reference(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  dw: ArrayLike<number>,
  inner: number,
  columns: number,
): Alignment {
  const [changed, output] = [dw, w].map((by) => length(product(x, by, inner, columns)));
  const [changeAlignment, weightAlignment] = [
    changed / (length(dw) * length(x)),
    output / (length(w) * length(x)),
  ];
  return {
    changeAlignment,
    weightAlignment,
    ratio: changeAlignment / weightAlignment,
    representationChange: changed / output,
  };
}

function expectNear(actual: Alignment, wanted: Alignment): void {
  for (const [name, value] of Object.entries(wanted))
    expect(
      Math.abs(actual[name as keyof Alignment] / value - 1),
      `${name} ${actual[name as keyof Alignment]} for ${value}`,
    ).toBeLessThan(1e-5);
}

/** Measures, and frees what it was given. */
async function measure(options: AlignmentOptions): Promise<Alignment> {
  const given = await withoutLeak(() => alignmentRatio(options));
  for (const tensor of [options.weights, options.change, options.inputs]) tensor.dispose();
  return given;
}

describe.each(backends)('on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  test.each([[[7, 5]], [[2, 3, 5]], [[400, 5]]])('inputs of shape [%s]', async (shape) => {
    const size = shape.reduce((p, q) => p * q);
    const [x, w, dw] = [
      normals(size, 1),
      normals(20, 2),
      normals(20, 3).map((value) => 1e-4 * value),
    ];
    expectNear(
      await measure({
        weights: tf.tensor2d(w, [5, 4]),
        change: tf.tensor2d(dw, [5, 4]),
        inputs: tf.tensor(x, shape),
      }),
      reference(x, w, dw, 5, 4),
    );
  });

  test('at initialization the ratio is about the root of the fan-in for an update along the inputs, as muP expects', async () => {
    const [fanIn, fanOut] = [400, 100];
    const x = normals(fanIn, 4);
    const w = normals(fanIn * fanOut, 5);
    // The gradient of one sample is the outer product of its input and its error.
    const errors = normals(fanOut, 6);
    const dw = Float32Array.from(
      w,
      (_, at) => 1e-3 * x[Math.floor(at / fanOut)] * errors[at % fanOut],
    );
    const found = await measure({
      weights: tf.tensor2d(w, [fanIn, fanOut]),
      change: tf.tensor2d(dw, [fanIn, fanOut]),
      inputs: tf.tensor2d(x, [1, fanIn]),
    });
    expect(found.changeAlignment).toBeCloseTo(1, 5);
    expect(Math.abs(found.weightAlignment * Math.sqrt(fanIn) - 1)).toBeLessThan(0.2);
    expect(Math.abs(found.ratio / Math.sqrt(fanIn) - 1)).toBeLessThan(0.2);
  });

  test('a layer of another kind, by its own map', async () => {
    const [x, w, dw] = [
      tf.tensor4d(normals(2 * 16, 7), [2, 4, 4, 1]),
      tf.tensor4d(normals(8, 8), [2, 2, 1, 2]),
      tf.tensor4d(normals(8, 9), [2, 2, 1, 2]),
    ];
    const map = (inputs: tf.Tensor, weights: tf.Tensor) =>
      tf.conv2d(inputs as tf.Tensor4D, weights as tf.Tensor4D, 2, 'valid');
    const lengths = [dw, w, x].map((tensor) => length(tensor.dataSync()));
    const [changed, output] = tf.tidy(() =>
      [dw, w].map((weights) => length(map(x, weights).dataSync())),
    );
    const found = await measure({ weights: w, change: dw, inputs: x, map });
    expectNear(found, {
      changeAlignment: changed / lengths[0] / lengths[2],
      weightAlignment: output / lengths[1] / lengths[2],
      ratio: (changed / output) * (lengths[1] / lengths[0]),
      representationChange: changed / output,
    });
  });

  test('a change that the inputs do not meet', async () => {
    const found = await measure({
      weights: tf.eye(2),
      change: tf.tensor2d([
        [0, 0],
        [1, 1],
      ]),
      inputs: tf.tensor2d([[3, 0]]),
    });
    expect(found).toMatchObject({ changeAlignment: 0, ratio: 0, representationChange: 0 });
    expect(found.weightAlignment).toBeCloseTo(Math.SQRT1_2, 6);
  });

  test('laws: alignments lie in [0, 1]; the identity |dY| / |Y| = ratio |dW| / |W|; scales of all three do not matter', async () => {
    const sizes = fc.integer({ min: 1, max: 6 });
    const scales = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(sizes, sizes, sizes),
        fc.nat(),
        fc.tuple(scales, scales, scales),
        async ([samples, inner, columns], seed, [a, b, c]) => {
          const [x, w, dw] = [
            normals(samples * inner, seed),
            normals(inner * columns, seed + 1),
            normals(inner * columns, seed + 2),
          ];
          const at = (p: number, q: number, r: number) =>
            measure({
              inputs: tf.tensor2d(
                x.map((value) => p * value),
                [samples, inner],
              ),
              weights: tf.tensor2d(
                w.map((value) => q * value),
                [inner, columns],
              ),
              change: tf.tensor2d(
                dw.map((value) => r * value),
                [inner, columns],
              ),
            });
          const [found, scaled] = [await at(1, 1, 1), await at(a, b, c)];
          for (const alignment of [found.changeAlignment, found.weightAlignment]) {
            expect(alignment).toBeGreaterThanOrEqual(0);
            expect(alignment).toBeLessThanOrEqual(1 + 1e-6);
          }
          expect(found.representationChange / ((found.ratio * length(dw)) / length(w))).toBeCloseTo(
            1,
            5,
          );
          expect(scaled.changeAlignment / found.changeAlignment).toBeCloseTo(1, 3);
          expect(scaled.ratio / found.ratio).toBeCloseTo(1, 3);
        },
      ),
      { numRuns: 30, seed: 1 },
    );
  });

  test('errors', async () => {
    const [weights, change, inputs] = [tf.ones([3, 2]), tf.ones([3, 2]), tf.ones([4, 3])];
    const fails = (options: unknown, message: string) =>
      expect(withoutLeak(() => alignmentRatio(options as AlignmentOptions))).rejects.toThrow(
        `alignmentRatio: ${message}`,
      );
    await fails({ weights, change }, 'inputs must be a tensor, got undefined');
    await fails(
      { weights, change: inputs, inputs },
      "the change's shape must be that of the weights, [3,2], got [4,3]",
    );
    await fails(
      { weights, change, inputs: weights },
      'inputs must have 3 features in the last axis, as weights of shape [3,2] take them (or give a map), got [3,2]',
    );
    await fails(
      { weights, change, inputs, map: 'conv' },
      "map must be a function of inputs and weights, got 'conv'",
    );
    await fails({ weights, change, inputs, inpts: 1 }, "unknown option 'inpts'");
    await fails(undefined, 'options must be an object');
    const broken = () => {
      tf.ones([2]);
      throw new Error('no such kernel');
    };
    await expect(
      withoutLeak(() => alignmentRatio({ weights, change, inputs, map: broken })),
    ).rejects.toThrow('no such kernel');
    tf.dispose([weights, change, inputs]);
  });
});
