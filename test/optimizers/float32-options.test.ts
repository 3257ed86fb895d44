/** Options that float32 cannot hold are refused; all others train. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  AdamW,
  GIAdam,
  Lion,
  LionA,
  LionAR,
  RAdam,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  RuleOptimizer,
  SGDMomentum,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { adamW, cautious, lionAR, nesterov } from '../../src/rules/index.js';
import { useBackend } from '../support/backends.js';
import { optimizerCases } from '../support/optimizers.js';
import { bitsOf, numbersTensor, numbersVariable } from '../support/tensors.js';

const tooLarge = 'which is Infinity in float32';
const at = { learningRate: 0.01 };
const rotationAt = 'rotation must be at most 1000000000, to float32 a quarter turn, got';

describe('refused when the optimizer is made', () => {
  test.each<[string, () => unknown, string]>([
    ['epsilon', () => new AdamW({ ...at, epsilon: 1e-46 }), '1e-46, which is 0 in float32'],
    ['epsilon', () => new GIAdam({ ...at, epsilon: 5e-324 }), '5e-324, which is 0 in float32'],
    ['epsilon', () => new RotationalAdamW({ ...at, epsilon: 1e39 }), `1e+39, ${tooLarge}`],
    [
      'hyperparameters.epsilon',
      () => new RuleOptimizer({ ...at, rule: adamW(), hyperparameters: { epsilon: 1e-50 } }),
      '1e-50, which is 0 in float32',
    ],
    ['learningRate', () => new SGDMomentum({ learningRate: 1e39 }), `1e+39, ${tooLarge}`],
    ['learningRate', () => new Lion({ learningRate: 3.5e38 }), `3.5e+38, ${tooLarge}`],
    ['learningRate', () => new RAdam({ learningRate: 1e300 }), `1e+300, ${tooLarge}`],
    ['weightDecay', () => new SGDMomentum({ ...at, weightDecay: 1e40 }), `1e+40, ${tooLarge}`],
    ['weightDecay', () => new LionA({ ...at, weightDecay: 4e38 }), `4e+38, ${tooLarge}`],
    ['clipNorm', () => new AdamW({ ...at, clipNorm: 1e39 }), `1e+39, ${tooLarge}`],
    ['clipNorm', () => new Lion({ ...at, clipNorm: 1e-46 }), '1e-46, which is 0 in float32'],
    ['initialScale', () => new GIAdam({ ...at, initialScale: 1e39 }), `1e+39, ${tooLarge}`],
    ['rotation', () => new LionAR({ ...at, rotation: 1e39 }), `1e+39, ${tooLarge}`],
    [
      'learningRateScale',
      () => new AdamW({ ...at, groups: [{ match: 'w', learningRateScale: 1e39 }] }),
      `1e+39, ${tooLarge}`,
    ],
    [
      'weightDecay',
      () => new AdamW({ ...at, groups: [{ match: 'w', weightDecay: 1e40 }] }),
      `1e+40, ${tooLarge}`,
    ],
  ])('%s %#', (option, make, got) => {
    const said = new RegExp(
      `: ${option.replace('.', '\\.')} must lie in .*, got ${got.replace('+', '\\+')}$`,
    );
    expect(make).toThrow(said);
  });

  test.each([1e10, 1e20, 3e38])('a rotation of %f', (rotation) => {
    expect(() => new LionAR({ ...at, rotation })).toThrow(`LionAR: ${rotationAt} ${rotation}`);
  });
});

describe('refused at a step, before anything changes', () => {
  beforeAll(() => useBackend('wasm'));
  const late = (rate: number) => (step: number) => (step < 1 ? 0.01 : rate);
  test.each<[string, FusedOptimizer, string]>([
    [
      'learning rate',
      new SGDMomentum({ learningRate: late(1e39) }),
      `SGDMomentum: learningRate at step 1 must lie in [0, Infinity), got 1e+39, ${tooLarge}`,
    ],
    [
      'rotation',
      new LionAR({ ...at, rotation: late(1e20) }),
      `LionAR: ${rotationAt} 100000000000000000000`,
    ],
    [
      'rotation as a rate',
      new LionAR({ ...at, rotation: late(1e40) }),
      `LionAR: rotation at step 1 must lie in [0, Infinity), got 1e+40, ${tooLarge}`,
    ],
    [
      'exact rotation',
      new LionAR({ ...at, rotation: late(Math.PI / 2 - 1e-12), exactAngle: true }),
      `LionAR: ${rotationAt}`,
    ],
    [
      'equilibrium rotation',
      new RotationalLion({
        ...at,
        equilibriumRate: ({ learningRate }) => (learningRate > 0.01 ? 1e12 : 0.1),
        learningRate: late(0.02),
      }),
      `rotationalLion: ${rotationAt} 1000000000000`,
    ],
    [
      'equilibrium rotation of SGD',
      new RotationalSGDM({ learningRate: late(1e30), weightDecay: 1 }),
      `rotationalSGDM: ${rotationAt}`,
    ],
  ])('%s', (_, optimizer, message) => {
    const v = numbersVariable([4, 3], 1, 'late');
    const g = numbersTensor([4, 3], 2);
    optimizer.applyGradients({ late: g });
    const before = bitsOf(v);
    expect(() => optimizer.applyGradients({ late: g })).toThrow(message);
    expect(bitsOf(v)).toEqual(before);
    optimizer.dispose();
    tf.dispose([v, g]);
  });

  test('rotation of a rule', () => {
    const v = numbersVariable([4, 3], 1);
    const g = numbersTensor([4, 3], 2);
    const rule = lionAR({
      nesterov: true,
      biasCorrection: 'none',
      zeroMean: false,
      perNeuron: true,
      equilibriumRate: 'adamw',
      givenRotation: true,
      exactAngle: false,
    });
    const optimizer = new RuleOptimizer({ ...at, rule, hyperparameters: { rotation: 2e9 } });
    const before = bitsOf(v);
    expect(() => optimizer.applyGradients({ [v.name]: g })).toThrow(
      `LionAR: ${rotationAt} 2000000000`,
    );
    expect(bitsOf(v)).toEqual(before);
    optimizer.dispose();
    tf.dispose([v, g]);
  });
});

describe.each(['wasm', 'cpu'])('%s', (backend) => {
  beforeAll(() => useBackend(backend));

  /** Weights after steps whose gradients have a zero, always in one place, and once everywhere. */
  function weightsOf(optimizer: FusedOptimizer): Float32Array {
    const v = numbersVariable([4, 3], 1);
    for (let step = 0; step < 4; step++) {
      const values = numbersTensor([4, 3], 2 + step)
        .dataSync<'float32'>()
        .slice();
      if (step === 0) values.fill(0);
      values[5] = 0;
      const g = tf.tensor(values, [4, 3]);
      optimizer.applyGradients({ [v.name]: g });
      g.dispose();
    }
    const weights = v.dataSync<'float32'>().slice();
    v.dispose();
    optimizer.dispose();
    return weights;
  }
  // RuleOptimizer takes an epsilon among its hyperparameters.
  const adams = optimizerCases.filter(
    ({ className, hyperparameters }) =>
      className !== 'RuleOptimizer' && 'epsilon' in hyperparameters,
  );

  describe.each(['auto', 'ops'] as const)('executor %s', (executor) => {
    test.each(adams.map(({ name, make, rates }) => ({ name, make, rates })))(
      '$name: an epsilon of 0, or nearly, and gradients of 0',
      ({ make, rates }) => {
        const start = numbersTensor([4, 3], 1).dataSync<'float32'>()[5];
        for (const epsilon of [0, 1e-45, 1e-38, 1e-30]) {
          const options = { ...rates, weightDecay: 0, epsilon, executor };
          const rotates = /Rotational/.test(make({ ...rates }).getClassName());
          const weights = weightsOf(make({ ...options, ...(rotates && { weightDecay: 0.1 }) }));
          expect([...weights].every(Number.isFinite)).toBe(true);
          if (!rotates) expect(weights[5]).toBe(start);
        }
      },
    );

    test('rules made of AdamW', () => {
      for (const rule of [adamW(), nesterov(adamW()), cautious(adamW())]) {
        const hyperparameters = { epsilon: 0 };
        const weights = weightsOf(new RuleOptimizer({ ...at, rule, hyperparameters, executor }));
        expect([...weights].every(Number.isFinite)).toBe(true);
      }
    });

    test('the largest rotation', () => {
      const weights = weightsOf(new LionAR({ ...at, rotation: 1e9, executor }));
      expect([...weights].every(Number.isFinite)).toBe(true);
    });
  });

  test('an epsilon of 0 is the formula without one', () => {
    const weights = [0, 1e-25, 1e-20].map((epsilon) => weightsOf(new AdamW({ ...at, epsilon })));
    expect(weights[1]).toEqual(weights[0]);
    expect(weights[2]).toEqual(weights[0]);
  });
});
