/**
 * The rotation that plain optimizers settle at, what the rotational ones make of it, and what is
 * left of a norm after many steps.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  AdamW,
  Lion,
  LionA,
  LionAR,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  SGDMomentum,
  type CommonOptions,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import {
  adamWFromLion,
  equilibriumRotation,
  lionFromAdamW,
  rotationFromAdamW,
  weightDecayFromRotation,
  type EquilibriumRate,
} from '../../src/rules/index.js';
import { neuronsOf } from '../reference/neurons.js';
import { useBackend } from '../support/backends.js';
import { bell } from '../support/numbers.js';
import { stepWith } from '../support/tensors.js';
import { neuronNorms, places, turned, valuesOf, variableOf, type Executor } from './tools.js';

const rootMeanSquare = (values: readonly number[]): number =>
  Math.sqrt(values.reduce((total, value) => total + value ** 2, 0) / values.length);

describe('equilibriumRotation', () => {
  const at = (kind: EquilibriumRate, options: { beta1?: number; beta2?: number } = {}) =>
    equilibriumRotation({ kind, learningRate: 0.01, weightDecay: 0.1, ...options });

  test('the numbers of the derivation', () => {
    expect(at('adamw')).toBeCloseTo(0.01026, 5);
    expect(
      equilibriumRotation({ kind: 'sgdm', learningRate: 0.01, weightDecay: 0.05 }),
    ).toBeCloseTo(0.02294, 5);
    expect(at('lion')).toBeCloseTo(0.00665, 5);
    // Lion with one beta, without and with Nesterov's look-ahead, as LionA has it.
    expect(at('lion', { beta1: 0.9, beta2: 0.9 })).toBeCloseTo(0.01286, 5);
    expect(at('lion', { beta1: 0.81, beta2: 0.9 })).toBeCloseTo(0.0149, 5);
    expect(at('lion', { beta1: 0.98 ** 2, beta2: 0.98 })).toBeCloseTo(0.00585, 5);
    expect(at('adamw', { beta1: 0.98 })).toBeCloseTo(0.00449, 5);
    expect(equilibriumRotation({ kind: 'adamw', learningRate: 0, weightDecay: 0.1 })).toBe(0);
  });

  test('bad input', () => {
    expect(() => at('adam' as EquilibriumRate)).toThrow(
      "equilibriumRotation: kind must be one of adamw, sgdm, lion, got 'adam'",
    );
    expect(() => at('lion', { beta2: 1 })).toThrow(
      'equilibriumRotation: beta2 must lie in [0, 1), got 1',
    );
    expect(() => equilibriumRotation({ kind: 'lion', learningRate: -1, weightDecay: 0 })).toThrow(
      'equilibriumRotation: learningRate must lie in [0, Infinity), got -1',
    );
  });

  test.each<[() => unknown, string]>([
    [
      () => lionFromAdamW({ learningRate: 0, weightDecay: 0.1 }),
      'lionFromAdamW: learningRate must lie in (0, Infinity), got 0',
    ],
    [
      () => lionFromAdamW({ learningRate: 1, weightDecay: 0.1, lion: { beta1: 0.9, beta2: 1 } }),
      'lionFromAdamW: lion: beta2 must lie in [0, 1), got 1',
    ],
    [
      () => adamWFromLion({ learningRate: 1, weightDecay: -1 }),
      'adamWFromLion: weightDecay must lie in [0, Infinity), got -1',
    ],
    [
      () => rotationFromAdamW({ learningRate: 1 } as never),
      'rotationFromAdamW: weightDecay must lie in [0, Infinity), got undefined',
    ],
    [
      () => weightDecayFromRotation({ rotation: 0.04, learningRate: 0 }),
      'weightDecayFromRotation: learningRate must lie in (0, Infinity), got 0',
    ],
    [
      () => weightDecayFromRotation({ rotation: 0.04, learningRate: 1, beta: 0.9 } as never),
      "weightDecayFromRotation: unknown option 'beta', allowed are rotation, learningRate, beta1",
    ],
  ])('bad input to converters %#', (convert, message) => {
    expect(convert).toThrow(message);
  });

  test('settings converted there and back are the same, and both have one rotation and one size of update', () => {
    for (const beta1 of [0.8, 0.9, 0.95]) {
      for (const lion of [
        { beta1: 0.9, beta2: 0.99 },
        { beta1: 0.95, beta2: 0.98 },
      ]) {
        const adamW = { learningRate: 3e-3, weightDecay: 0.2 };
        const converted = lionFromAdamW({ ...adamW, beta1, lion });
        const back = adamWFromLion({ ...converted, beta1, lion });
        expect(back.learningRate).toBeCloseTo(adamW.learningRate, 15);
        expect(back.weightDecay).toBeCloseTo(adamW.weightDecay, 14);
        expect(equilibriumRotation({ kind: 'lion', ...converted, ...lion })).toBeCloseTo(
          equilibriumRotation({ kind: 'adamw', ...adamW, beta1 }),
          14,
        );
        expect(converted.learningRate).toBeCloseTo(
          adamW.learningRate * Math.sqrt((1 - beta1) / (1 + beta1)),
          15,
        );
        const rotation = rotationFromAdamW({ ...adamW, beta1 });
        expect(rotation).toBe(equilibriumRotation({ kind: 'adamw', ...adamW, beta1 }));
        expect(
          weightDecayFromRotation({ rotation, learningRate: adamW.learningRate, beta1 }),
        ).toBeCloseTo(adamW.weightDecay, 14);
      }
    }
  });
});

describe('random gradients', () => {
  beforeAll(() => useBackend('wasm'));
  const [fanIn, count] = [1024, 12];
  const shape = [fanIn, count];
  const neurons = neuronsOf(shape, [1]);

  // The formulas take it that momentum forgets much sooner than weights. Lion's lasts 100 steps, in
  // which the weights must hardly decay: the rotation lies above its formula by eta lambda / (2 (1
  // - beta2)), 5% at .01 and .1, 1.5% here.
  const rates: Record<EquilibriumRate, { learningRate: number; weightDecay: number }> = {
    adamw: { learningRate: 0.01, weightDecay: 0.1 },
    sgdm: { learningRate: 0.01, weightDecay: 0.05 },
    lion: { learningRate: 0.01, weightDecay: 0.03 },
  };
  // The norms that the derivation gives, for gradients of variance 1.
  const q = 0.01 + (0.81 * 0.01) / 1.99;
  const norms: Record<EquilibriumRate, number> = {
    adamw: Math.sqrt((0.01 * fanIn) / 0.2),
    sgdm: Math.sqrt((0.01 * fanIn) / (0.1 * 0.1)),
    lion: Math.sqrt((0.01 * fanIn) / (Math.PI * 0.03 * q)),
  };

  /**
   * The root mean square of all neurons' angles in the steps from `from` on, and of their norms at
   * the end.
   */
  function simulate(
    optimizer: FusedOptimizer,
    norm: number,
    { from, to, seed }: { from: number; to: number; seed: number },
  ): { angle: number; norm: number } {
    const variable = variableOf(bell(fanIn * count, seed, norm / Math.sqrt(fanIn)), shape);
    optimizer.prepare([variable]);
    const angles: number[] = [];
    for (let step = 0; step < to; step++) {
      const measured = step >= from && step % 5 === 0;
      const before = measured ? valuesOf(variable) : undefined;
      stepWith(optimizer, [variable, bell(fanIn * count, 1000 * seed + step)]);
      if (before)
        angles.push(...neurons.map((indices) => turned(before, variable.dataSync(), indices)));
    }
    const result = {
      angle: rootMeanSquare(angles),
      norm: rootMeanSquare(neuronNorms(valuesOf(variable), neurons)),
    };
    optimizer.dispose();
    variable.dispose();
    return result;
  }

  type Make = (options: CommonOptions) => FusedOptimizer;
  const pairs: [EquilibriumRate, { plain: Make; rotational: Make; settled: number }][] = [
    [
      'adamw',
      {
        plain: (options) => new AdamW(options),
        rotational: (options) => new RotationalAdamW(options),
        settled: 1200,
      },
    ],
    [
      'sgdm',
      {
        plain: (options) => new SGDMomentum(options),
        rotational: (options) => new RotationalSGDM(options),
        settled: 500,
      },
    ],
    [
      'lion',
      {
        plain: (options) => new Lion(options),
        rotational: (options) => new RotationalLion(options),
        settled: 4000,
      },
    ],
  ];

  test.each(pairs)(
    '%s settles within 3%% of its formula, and its rotational variant turns by just that',
    (kind, { plain, rotational, settled: from }) => {
      const formula = equilibriumRotation({ kind, ...rates[kind] });
      // The norm starts 10% too large; what is left of that falls by e in 500 steps, with SGD in
      // 100, with Lion in 1700.
      const settled = simulate(plain(rates[kind]), 1.1 * norms[kind], {
        from,
        to: from + 300,
        seed: 3,
      });
      expect(Math.abs(settled.angle / formula - 1)).toBeLessThan(0.03);
      expect(Math.abs(settled.norm / norms[kind] - 1)).toBeLessThan(0.04);

      // Once the moments are as large as they get: until then the averaged update norm runs behind.
      const controlled = simulate(rotational(rates[kind]), 7, { from: 50, to: 110, seed: 4 });
      expect(Math.abs(controlled.angle / formula - 1)).toBeLessThan(0.01);
      expect(Math.abs(controlled.angle / settled.angle - 1)).toBeLessThan(0.03);
    },
  );

  test('the first steps of AdamW turn further than its equilibrium; those of LionAR do not', () => {
    const small = 0.5 * norms.adamw;
    const equilibrium = equilibriumRotation({ kind: 'adamw', ...rates.adamw });
    const first = simulate(new AdamW(rates.adamw), small, { from: 0, to: 1, seed: 5 }).angle;
    // Twice for the small norm, and sqrt((1 + beta1) / (1 - beta1)) for the bias correction.
    expect(first / equilibrium).toBeGreaterThan(2 * 4.36 * 0.9);
    const controlled = simulate(new LionAR(rates.adamw), small, { from: 0, to: 1, seed: 5 }).angle;
    expect(controlled / equilibrium).toBeCloseTo(1, 3);
  });

  test("LionA's update has the size of AdamW's in steady state", () => {
    const sizeOf = (optimizer: FusedOptimizer, steps: number): number => {
      const variable = variableOf(new Float32Array(fanIn * count), shape);
      let before = valuesOf(variable);
      for (let step = 0; step < steps; step++) {
        before = valuesOf(variable);
        stepWith(optimizer, [variable, bell(fanIn * count, 77 + step)]);
      }
      const result = rootMeanSquare(
        Array.from(valuesOf(variable), (value, i) => value - before[i]),
      );
      optimizer.dispose();
      variable.dispose();
      return result;
    };
    const adam = sizeOf(new AdamW({ learningRate: 1e-3, weightDecay: 0, beta2: 0.99 }), 300);
    expect(sizeOf(new LionA({ learningRate: 1e-3, weightDecay: 0 }), 2) / adam).toBeCloseTo(1, 1);
  });
});

describe.each(places)('drift on %s, executor %s', (backend, executor: Executor) => {
  beforeAll(() => useBackend(backend));

  test.each([
    [
      'RotationalAdamW',
      () => new RotationalAdamW({ learningRate: 0.01, weightDecay: 0.1, executor }),
    ],
    ['LionAR', () => new LionAR({ learningRate: 0.01, rotation: 0.04, executor })],
  ] as const)('%s keeps its norms', (_, make) => {
    // Operations take 20 times as long; their rounding is the same.
    const steps = executor === 'ops' ? 2000 : 20_000;
    const shape = [16, 3];
    const neurons = neuronsOf(shape, [1]);
    const variable = variableOf(bell(48, 1), shape);
    const optimizer = make();
    optimizer.prepare([variable]);
    const initial = neuronNorms(valuesOf(variable), neurons);
    const gradients = Array.from({ length: 97 }, (_, i) => tf.tensor(bell(48, 100 + i), shape));
    let worst = 0;
    for (let step = 1; step <= steps; step++) {
      optimizer.applyGradients({ [variable.name]: gradients[step % 97] });
      if (step % 500 === 0)
        worst = Math.max(
          worst,
          ...neuronNorms(valuesOf(variable), neurons).map((norm, k) =>
            Math.abs(norm / initial[k] - 1),
          ),
        );
    }
    expect(worst).toBeLessThan(1e-6);
    optimizer.dispose();
    tf.dispose([variable, ...gradients]);
  });
});
