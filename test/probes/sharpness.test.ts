import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { AdamW, GIAdam, Lion, RuleOptimizer, SGDMomentum } from '../../src/optimizers/index.js';
import { add, defineRule, sub } from '../../src/rules/index.js';
import { hessianVectorProduct } from '../../src/probes/hessian-vector-product.js';
import { preconditionedSharpness } from '../../src/probes/preconditioned-sharpness.js';
import { sharpness } from '../../src/probes/sharpness.js';
import { perceptron } from './reference-perceptron.js';
import {
  assign,
  backends,
  eachOn,
  normals,
  quadratic,
  symmetricWith,
  variableOf,
  withoutLeak,
} from './support.js';

describe.each(backends)('on %s', (backend) => {
  eachOn(backend);

  const spectra: Record<string, number[]> = {
    'positive definite': Array.from({ length: 60 }, (_, i) => 10 * 0.8 ** i),
    'indefinite, with the larger magnitude below zero': [
      ...Array.from({ length: 30 }, (_, i) => 3 - 0.1 * i),
      ...Array.from({ length: 10 }, (_, i) => -40 + i),
    ],
    'negative definite': Array.from({ length: 40 }, (_, i) => -2 - 0.3 * i),
    'two largest close together': [5, 4.99, ...Array.from({ length: 48 }, (_, i) => 3 - 0.05 * i)],
    'of rank 1': [7, ...Array.from({ length: 20 }, () => 0)],
    'of one number': [-3],
  };

  test.each(Object.entries(spectra))('a quadratic that is %s', async (_, spectrum) => {
    const { matrix } = symmetricWith(spectrum, 3);
    const x = variableOf(normals(spectrum.length, 4), [spectrum.length]);
    const scale = Math.max(...spectrum.map(Math.abs));
    const { value, converged, vector } = await withoutLeak(() =>
      sharpness(quadratic(x, matrix), [x], { tolerance: 1e-5 }),
    );
    expect(converged).toBe(true);
    expect(Math.abs(value - spectrum[0])).toBeLessThan(
      1e-4 * Math.min(scale, Math.abs(spectrum[0])),
    );
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    const numeric = await withoutLeak(() =>
      sharpness(quadratic(x, matrix), [x], { method: 'finiteDifference' }),
    );
    expect(Math.abs(numeric.value - spectrum[0])).toBeLessThan(2e-3 * scale);
    x.dispose();
  });

  test('default options give a known value within 1e-4', async () => {
    const { matrix } = symmetricWith(spectra['positive definite'], 8);
    const x = variableOf(normals(60, 5), [60]);
    expect((await sharpness(quadratic(x, matrix), [x])).value).toBeCloseTo(10, 3);
    x.dispose();
  });

  test('more eigenvalues than a basis holds: restarts', async () => {
    const spectrum = Array.from({ length: 300 }, (_, i) => 1 - i / 300);
    const x = variableOf(normals(300, 6), [300]);
    const loss = () =>
      tf.mul(0.5, tf.sum(tf.mul(tf.tensor1d(spectrum), tf.square(x)))) as tf.Scalar;
    const { value, iterations, converged } = await withoutLeak(() =>
      sharpness(loss, [x], { tolerance: 1e-4 }),
    );
    expect(converged).toBe(true);
    expect(iterations).toBeGreaterThan(40);
    expect(Math.abs(value - 1)).toBeLessThan(1e-4);
    x.dispose();
  });

  test('equals the float64 Hessian of a perceptron, by double backprop', async () => {
    const { variables, loss, hessianEigenvalue } = perceptron();
    const { value, vector, iterations } = await withoutLeak(() =>
      sharpness(loss, variables, { tolerance: 1e-5 }),
    );
    expect(Math.abs(value / hessianEigenvalue - 1)).toBeLessThan(2e-5);
    const warm = await sharpness(loss, variables, { start: vector, tolerance: 1e-5 });
    expect(Math.abs(warm.value / value - 1)).toBeLessThan(1e-5);
    expect(warm.iterations).toBeLessThanOrEqual(iterations);
    variables.forEach((variable) => variable.dispose());
  });

  test('a warm start sees a direction that has overtaken the old one', async () => {
    const size = 2000;
    const curvatures = normals(size, 9).map((x) => 0.1 * Math.abs(x));
    curvatures[10] = 8;
    curvatures[20] = 7;
    const x = variableOf(normals(size, 10), [size]);
    const loss = () =>
      tf.mul(0.5, tf.sum(tf.mul(tf.tensor1d(curvatures), tf.square(x)))) as tf.Scalar;
    const first = await sharpness(loss, [x]);
    curvatures[10] = 6.9;
    const second = await sharpness(loss, [x], { start: first.vector });
    expect(first.value).toBeCloseTo(8, 4);
    expect(second.value).toBeCloseTo(7, 4);
    x.dispose();
  });

  test('scales with the loss; the preconditioned one does not (Adam, epsilon aside)', async () => {
    const { variables, loss } = perceptron();
    const values: { plain: number; atStart: number; later: number }[] = [];
    for (const c of [1, 1000]) {
      const scaled = () => tf.mul(loss(), c) as tf.Scalar;
      const optimizer = new AdamW({ learningRate: 0, weightDecay: 0, epsilon: 1e-12 });
      const plain = (await sharpness(scaled, variables)).value;
      const atStart = (
        await withoutLeak(() => preconditionedSharpness(optimizer, scaled, variables))
      ).value;
      for (let step = 0; step < 3; step++) optimizer.minimize(scaled, false, variables);
      const later = (await preconditionedSharpness(optimizer, scaled)).value;
      optimizer.dispose();
      values.push({ plain, atStart, later });
    }
    expect(values[1].plain / values[0].plain / 1000).toBeCloseTo(1, 4);
    expect(values[1].atStart / values[0].atStart).toBeCloseTo(1, 3);
    expect(values[1].later / values[0].later).toBeCloseTo(1, 3);
    variables.forEach((variable) => variable.dispose());
  });

  test('preconditioned sharpness of a diagonal quadratic, by its formula', async () => {
    const [h, start, beta1, beta2, epsilon, clipNorm] = [
      [3, 1, 0.2],
      [0.5, -2, 1],
      0.8,
      0.99,
      1e-3,
      0.7,
    ];
    const w = variableOf(start, [3]);
    const loss = () => tf.mul(0.5, tf.sum(tf.mul(tf.tensor1d(h), tf.square(w)))) as tf.Scalar;
    const cases = [
      [
        'AdamW',
        new AdamW({ learningRate: 0.1, weightDecay: 0, beta1, beta2, epsilon }),
        false,
        Infinity,
      ],
      [
        'AdamW, clipped',
        new AdamW({ learningRate: 0.1, weightDecay: 0, beta1, beta2, epsilon, clipNorm }),
        false,
        clipNorm,
      ],
      ['GIAdam', new GIAdam({ learningRate: 0.1, beta1, beta2, epsilon }), true, Infinity],
    ] as const;
    for (const [name, optimizer, gradientStart, clip] of cases) {
      assign(w, start);
      const v = [0, 0, 0];
      for (let t = 1; t <= 4; t++) {
        const g = Array.from(w.dataSync(), (x, i) => h[i] * x);
        const scale = Math.min(1, clip / Math.hypot(...g));
        g.forEach(
          (x, i) =>
            (v[i] =
              beta2 * (gradientStart && t === 1 ? (scale * x) ** 2 : v[i]) +
              (1 - beta2) * (scale * x) ** 2),
        );
        const expected = Math.max(
          ...h.map(
            (curvature, i) =>
              curvature / ((1 - beta1 ** t) * (Math.sqrt(v[i] / (1 - beta2 ** t)) + epsilon)),
          ),
        );
        const { value } = await withoutLeak(() =>
          preconditionedSharpness(optimizer, loss, [w], { tolerance: 1e-5 }),
        );
        expect(Math.abs(value / expected - 1), `${name}, step ${t}`).toBeLessThan(2e-5);
        optimizer.minimize(loss, false, [w]);
      }
      optimizer.dispose();
    }
    w.dispose();
  });

  test('products: zeros for a variable that the loss does not read, or is linear in', async () => {
    const [a, b, c] = [variableOf([1, 2], [2]), variableOf([3, 4], [2]), variableOf([5], [1])];
    const ones = [tf.ones([2]), tf.ones([2]), tf.ones([1])];
    const loss = () => tf.add(tf.sum(tf.mul(a, tf.square(a))), tf.sum(b)) as tf.Scalar;
    for (const method of ['doubleBackprop', 'finiteDifference'] as const) {
      const products = hessianVectorProduct(loss, [a, b, c], ones, method);
      const [first, ...others] = products.map((product) => Array.from(product.dataSync()));
      expect(first[0]).toBeCloseTo(6, method === 'doubleBackprop' ? 5 : 1);
      expect(first[1]).toBeCloseTo(12, method === 'doubleBackprop' ? 5 : 1);
      expect(others[1]).toEqual([0]);
      if (method === 'doubleBackprop') expect(others[0]).toEqual([0, 0]);
      products.forEach((product) => product.dispose());
    }
    expect([a, b, c].flatMap((variable) => Array.from(variable.dataSync()))).toEqual([
      1, 2, 3, 4, 5,
    ]);
    // A loss that is linear in everything has no curvature.
    expect((await sharpness(() => tf.sum(b), [a, b])).value).toBe(0);
    [a, b, c, ...ones].forEach((tensor) => tensor.dispose());
  });

  test('an operation without a second derivative is named, and finite differences do', async () => {
    const w = variableOf(normals(16, 2), [1, 4, 4, 1]);
    const pooled = () =>
      tf.sum(tf.square(tf.maxPool(tf.square(w) as tf.Tensor4D, 2, 2, 'valid'))) as tf.Scalar;
    const failure = withoutLeak(() => sharpness(pooled, [w]));
    await expect(failure).rejects.toThrow(
      /^sharpness: tfjs has no derivative of MaxPoolGrad, which the gradient of the loss uses, so there is no second derivative; ask for \{ method: 'finiteDifference' \}/,
    );
    const { value } = await withoutLeak(() =>
      sharpness(pooled, [w], { method: 'finiteDifference' }),
    );
    // Each window's largest element has the loss x^4, with the second derivative 12 x^2.
    const x = w.dataSync();
    const largest = Math.max(
      ...[0, 2, 8, 10].map((at) => Math.max(...[0, 1, 4, 5].map((k) => x[at + k] ** 2))),
    );
    expect(value / (12 * largest)).toBeCloseTo(1, 2);
    w.dispose();
  });

  test('an operation without any derivative is named', async () => {
    const w = variableOf([1, 2, 3], [3]);
    const loss = () => tf.sum(tf.stridedSlice(w, [0], [3], [2])) as tf.Scalar;
    await expect(withoutLeak(() => sharpness(loss, [w]))).rejects.toThrow(
      /^sharpness: the loss has no gradient, since tfjs has no derivative of StridedSlice/,
    );
    w.dispose();
  });

  test('bad input', async () => {
    const w = variableOf([1, 2], [2]);
    const loss = () => tf.sum(tf.square(w)) as tf.Scalar;
    const fails = async (f: () => Promise<unknown>, message: string): Promise<void> => {
      await expect(withoutLeak(f)).rejects.toThrow(message);
    };
    await fails(
      () => sharpness(undefined as never, [w]),
      'sharpness: loss must be a function that gives a scalar, got undefined',
    );
    await fails(
      () => sharpness(loss, []),
      'sharpness: variables must be an array of at least one tf.Variable',
    );
    await fails(
      () => sharpness(loss, [w, w]),
      'sharpness: variables[1] must differ from those before it',
    );
    const tensor = tf.scalar(1);
    await fails(
      () => sharpness(loss, [tensor as never]),
      'sharpness: variables[0] must be a tf.Variable, got a tensor of shape []',
    );
    tensor.dispose();
    await fails(
      () => sharpness(() => w as never, [w]),
      'sharpness: loss must give a scalar, got [2]',
    );
    await fails(
      () => sharpness(loss, [w], { tolerance: 0 }),
      'sharpness: tolerance must lie in (0, 1), got 0',
    );
    await fails(
      () => sharpness(loss, [w], { maxIterations: 0 }),
      'sharpness: maxIterations must be a whole number of at least 1, got 0',
    );
    await fails(
      () => sharpness(loss, [w], { start: [1] }),
      'sharpness: start must have as many numbers as the variables, 2, got 1',
    );
    await fails(
      () => sharpness(loss, [w], { method: 'power' as never }),
      "sharpness: method must be 'doubleBackprop' or 'finiteDifference', got 'power'",
    );
    await fails(() => sharpness(loss, [w], { tol: 1 } as never), "sharpness: unknown option 'tol'");
    await fails(
      () => sharpness(() => tf.scalar(1), [w]),
      'sharpness: the loss depends on none of the variables',
    );
    const sgd = new SGDMomentum({ learningRate: 0.1 });
    const lion = new Lion({ learningRate: 0.1 });
    const adam = new AdamW({ learningRate: 0.1 });
    await fails(
      () => preconditionedSharpness(sgd, loss, [w]),
      'preconditionedSharpness: SGDMomentum keeps no second moment of the gradient as Adam does; use sharpness()',
    );
    await fails(
      () => preconditionedSharpness(lion, loss, [w]),
      'preconditionedSharpness: Lion keeps no second moment',
    );
    await fails(
      () => preconditionedSharpness(adam, loss),
      'preconditionedSharpness: the optimizer has had no step yet; name the variables as third argument',
    );
    await fails(
      () => preconditionedSharpness(tf.train as never, loss),
      'preconditionedSharpness: optimizer must be an optimizer of this library',
    );
    const rule = defineRule({
      name: 'likeAdam',
      slots: { s: 'element' },
      hyperparameters: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
      update: ({ w: weight, g, s: kept }) => ({ w: sub(weight, g), s: add(kept, g) }),
    });
    const likeAdam = new RuleOptimizer({ rule, learningRate: 0.1 });
    likeAdam.prepare([w]);
    await fails(
      () => preconditionedSharpness(likeAdam, loss, [w]),
      'preconditionedSharpness: RuleOptimizer keeps no second moment',
    );
    [sgd, lion, adam, likeAdam].forEach((optimizer) => optimizer.dispose());
    assign(w, [1, NaN]);
    await fails(
      () => sharpness(() => tf.sum(tf.mul(w, tf.square(w))) as tf.Scalar, [w]),
      'sharpness: the loss must be finite, got NaN; the weights have diverged',
    );
    w.dispose();
  });
});
