/**
 * Bad input to the rotational family: each error names the optimizer, the group or the variable,
 * and what is allowed.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  AdamW,
  GIAdam,
  LionA,
  LionAR,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  registerOptimizers,
  rrc,
  type FusedOptimizer,
  type LionAROptions,
  type RotationalAdamWOptions,
  type RRCOptions,
} from '../../src/optimizers/index.js';
import { useBackend } from '../support/backends.js';
import { linearWarmup } from '../../src/schedules/index.js';
import { bell, expectSameBits } from '../support/numbers.js';
import { stepWith } from '../support/tensors.js';
import { valuesOf, variableOf } from './tools.js';

beforeAll(() => useBackend('wasm'));

const rates = { learningRate: 0.01, weightDecay: 0.1 };
let kernel: tf.Variable;
let bias: tf.Variable;
let number = 0;
beforeEach(() => {
  tf.dispose([kernel, bias].filter(Boolean));
  number++;
  kernel = variableOf(bell(12, 1), [4, 3], `layer${number}x/kernel`);
  bias = variableOf(bell(3, 2), [3], `layer${number}x/bias`);
});

/** The first step must throw, and leave the weights as they were. */
function expectRefused(
  optimizer: FusedOptimizer,
  message: string | RegExp,
  variables = [kernel],
): void {
  const before = variables.map(valuesOf);
  expect(() =>
    stepWith(
      optimizer,
      ...variables.map((variable) => [variable, bell(variable.size, 3)] as const),
    ),
  ).toThrow(message);
  variables.forEach((variable, i) => expectSameBits(valuesOf(variable), before[i], variable.name));
  optimizer.dispose();
}

describe('groups', () => {
  test.each<[number | number[]]>([[2], [-3], [[0, 2]], [[0, 0]], [[0, 1, 1]], [[]]])(
    'a neuron axis outside the shape: %j',
    (neuronAxis) => {
      for (const [label, optimizer] of [
        [
          'RotationalAdamW',
          new RotationalAdamW({ ...rates, groups: [{ match: kernel.name, neuronAxis }] }),
        ],
        ['LionAR', new LionAR({ ...rates, groups: [{ match: '*/kernel', neuronAxis }] })],
      ] as const) {
        const written = Array.isArray(neuronAxis) ? `[${neuronAxis}]` : `${neuronAxis}`;
        expectRefused(
          optimizer,
          `${label}: variable '${kernel.name}': neuronAxis must name one axis or two different ones of the shape [4,3], got ${written}`,
        );
      }
    },
  );

  test('a pattern that matches no variable', () => {
    expectRefused(
      new RotationalLion({ ...rates, groups: [{ match: 'decoder/*' }] }),
      /^RotationalLion: the group 'decoder\/\*' matches no variable; there are /,
    );
    expectRefused(
      new RotationalLion({ ...rates, groups: [{ match: [kernel.name, 'forgotten'] }] }),
      /the group 'forgotten' matches no variable/,
    );
  });

  test('two groups that claim one variable', () => {
    expectRefused(
      new LionAR({
        ...rates,
        groups: [{ match: '*/kernel' }, { match: [kernel.name, bias.name], rotational: false }],
      }),
      `LionAR: groups '*/kernel' and ['${kernel.name}','${bias.name}'] both claim the variable '${kernel.name}'; a variable may belong to one group`,
    );
  });

  test('rotational without anything to derive an angle from', () => {
    const groups = [{ match: kernel.name, rotational: true, weightDecay: 0 }];
    const message = (label: string) =>
      `${label}: variable '${kernel.name}': rotational must go with a weightDecay above 0 or a rotation, from which the angle comes, got true`;
    expectRefused(new RotationalAdamW({ ...rates, groups }), message('RotationalAdamW'));
    expectRefused(new LionAR({ ...rates, groups }), message('LionAR'));
    expectRefused(
      new RotationalSGDM({ learningRate: 0.1, groups: [{ match: kernel.name, rotational: true }] }),
      message('RotationalSGDM'),
    );
    // With a rotation there is an angle.
    const optimizer = new LionAR({ learningRate: 0.01, rotation: 0.04, groups });
    stepWith(optimizer, [kernel, bell(12, 4)]);
    expect(optimizer.describe()[0].rotational).toBe(true);
    optimizer.dispose();
  });
});

describe('a rotational optimizer that would rotate nothing', () => {
  const message = (label: string, names: string) =>
    `${label}: would rotate none of ${names}; it needs variables of rank 2 or more with a weightDecay above 0 (or a rotation)`;

  test('no decay', () => {
    expectRefused(
      new RotationalAdamW({ ...rates, weightDecay: 0 }),
      message('RotationalAdamW', `'${kernel.name}'`),
    );
    expectRefused(
      new RotationalSGDM({ learningRate: 0.1 }),
      message('RotationalSGDM', `'${kernel.name}'`),
    );
    expectRefused(new LionAR({ ...rates, weightDecay: 0 }), message('LionAR', `'${kernel.name}'`));
  });

  test('no variable of rank 2, or none with enough elements a neuron', () => {
    expectRefused(new RotationalLion(rates), message('RotationalLion', `'${bias.name}'`), [bias]);
    const thin = variableOf(bell(6, 1), [2, 3], `thin${number}x`);
    expectRefused(new RotationalAdamW(rates), message('RotationalAdamW', `'${thin.name}'`), [thin]);
    thin.dispose();
  });

  test('all turned off by a group', () => {
    expectRefused(
      new LionAR({ ...rates, groups: [{ match: '*', rotational: false }] }),
      message('LionAR', `'${kernel.name}', '${bias.name}'`),
      [kernel, bias],
    );
  });

  test('one variable that rotates is enough', () => {
    const optimizer = new RotationalAdamW(rates);
    stepWith(optimizer, [bias, bell(3, 1)], [kernel, bell(12, 1)]);
    expect(optimizer.describe().map(({ rotational, rule }) => [rotational, rule])).toEqual([
      [false, 'adamW'],
      [true, 'rotationalAdamW'],
    ]);
    optimizer.dispose();
  });
});

describe('options', () => {
  test.each<[RRCOptions, string]>([
    [{ batchSize: 0.5 }, 'rrc: batchSize must lie in [1, Infinity), got 0.5'],
    [{ batchSize: 0 }, 'rrc: batchSize must lie in [1, Infinity), got 0'],
    [{ batchSize: NaN }, 'rrc: batchSize must lie in [1, Infinity), got NaN'],
    [{ minimum: 0 }, 'rrc: minimum must lie in (0, 1], got 0'],
    [{ minimum: 1.5 }, 'rrc: minimum must lie in (0, 1], got 1.5'],
    [{ immediate: 1 as never }, 'rrc: immediate must be true or false, got 1'],
    [{ start: 'late' as never }, "rrc: start must be one of 'cautious', 'none', got 'late'"],
    [
      { batch: 3 } as never,
      "rrc: unknown option 'batch', allowed are batchSize, minimum, signalToNoise, immediate, start",
    ],
    [
      true as never,
      'rrc: options must be an object with batchSize, minimum, signalToNoise, immediate, start, got true',
    ],
    [
      { signalToNoise: -0.1 },
      'rrc: signalToNoise must lie in [0, Infinity], or be NaN while it is not known, got -0.1',
    ],
    [
      { signalToNoise: 1, immediate: true },
      'rrc: immediate must be left out with signalToNoise, got true',
    ],
  ])('rrc(%j)', (options, message) => {
    expect(() => rrc(options)).toThrow(message);
  });

  test.each([{}, { batchSize: 64 }, true, null, rrc])('rrc = %s', (value) => {
    for (const [name, Class] of Object.entries({ AdamW, LionA, LionAR })) {
      expect(() => new Class({ learningRate: 0.01, rrc: value as never })).toThrow(
        new RegExp(`^${name}: rrc must be a correction that rrc\\(\\) gave, got `),
      );
    }
  });

  test.each<[Partial<RotationalAdamWOptions>, string]>([
    [{ updateNormDecay: 1 }, 'updateNormDecay must lie in [0, 1), got 1'],
    [{ updateNormDecay: -0.1 }, 'updateNormDecay must lie in [0, 1), got -0.1'],
    [{ zeroMean: 0 as never }, 'zeroMean must be true or false, got 0'],
    [{ perNeuron: 'yes' as never }, "perNeuron must be true or false, got 'yes'"],
    [
      { equilibriumRate: 'adam' as never },
      "equilibriumRate must be a function, or be one of 'adamw', 'sgdm', 'lion', got 'adam'",
    ],
    [{ rotation: 0.1 } as never, "unknown option 'rotation'"],
  ])('RotationalAdamW %j', (options, message) => {
    expect(() => new RotationalAdamW({ ...rates, ...options })).toThrow(
      `RotationalAdamW: ${message}`,
    );
  });

  test.each<[Partial<LionAROptions>, string]>([
    [{ beta: 1 }, 'beta must lie in [0, 1), got 1'],
    [{ nesterov: 1 as never }, 'nesterov must be true or false, got 1'],
    [
      { biasCorrection: 'signal' as never },
      "biasCorrection must be one of 'none', 'inverse', 'inverseNoise', got 'signal'",
    ],
    [
      { equilibriumRate: 'sgdm' as never },
      "equilibriumRate must be one of 'adamw', 'lion', got 'sgdm'",
    ],
    [{ exactAngle: 'yes' as never }, "exactAngle must be true or false, got 'yes'"],
    [{ rotation: '.1' as never }, 'rotation must'],
    [{ beta1: 0.9 } as never, "unknown option 'beta1'"],
  ])('LionAR %j', (options, message) => {
    expect(() => new LionAR({ ...rates, ...options })).toThrow(`LionAR: ${message}`);
  });

  test('GIAdam', () => {
    expect(() => new GIAdam({ learningRate: 0.1, initialScale: 0.5 })).toThrow(
      'GIAdam: initialScale must lie in [1, Infinity), got 0.5',
    );
    expect(() => new GIAdam({ learningRate: 0.1, initialization: 'zero' as never })).toThrow(
      "GIAdam: initialization must be one of 'gradient', 'firstNonZeroGradient', 'random', got 'zero'",
    );
    expect(() => new GIAdam({ learningRate: 0.1, seed: -1 })).toThrow(
      'GIAdam: seed must lie in [0, Infinity), got -1',
    );
  });

  test('a negative rotation, and one that an exact angle cannot have', () => {
    expect(() => new LionAR({ ...rates, rotation: -0.1 })).toThrow(
      /LionAR: rotation must .* got -0.1/,
    );
    expectRefused(new LionAR({ ...rates, rotation: (step) => step - 1 }), /LionAR: rotation/);
    expectRefused(
      new LionAR({ ...rates, rotation: 1.6, exactAngle: true }),
      'LionAR: rotation must be below pi / 2 with exactAngle, got 1.6',
    );
  });

  test.each([NaN, -1, Infinity, undefined])('a rate function that gives %f', (value) => {
    expectRefused(
      new RotationalAdamW({ ...rates, equilibriumRate: () => value as number }),
      `the value of equilibriumRate must lie in [0, Infinity), got ${value}`,
    );
  });
});

test('a rate function trains, but says that it cannot be saved', () => {
  const optimizer = new RotationalAdamW({
    ...rates,
    equilibriumRate: ({ learningRate, weightDecay }) => Math.sqrt(learningRate * weightDecay),
  });
  stepWith(optimizer, [kernel, bell(12, 5)]);
  expect(() => optimizer.getConfig()).toThrow(
    /^RotationalAdamW: equilibriumRate is a plain function, which cannot be saved/,
  );
  optimizer.dispose();
});

test('a signal-to-noise ratio that is none stops the step; a schedule of it is saved, a function not', () => {
  expectRefused(
    new LionA({ ...rates, rrc: rrc({ signalToNoise: () => -1 }) }),
    'rrc: signalToNoise at step 0 must lie in [0, Infinity], or be NaN while it is not known, got -1',
  );
  expect(() => new LionA({ ...rates, rrc: rrc({ signalToNoise: () => 1 }) }).getConfig()).toThrow(
    'rrc: signalToNoise is a plain function, which cannot be saved',
  );
  const schedule = linearWarmup({ peak: 1, warmupSteps: 4 });
  expect(new LionA({ ...rates, rrc: rrc({ signalToNoise: schedule }) }).getConfig().rrc).toEqual({
    kind: 'rrc',
    signalToNoise: schedule.spec,
    immediate: false,
    start: 'cautious',
  });
});

test('every option of the family survives saving', () => {
  registerOptimizers();
  const optimizers = [
    new RotationalAdamW({
      ...rates,
      zeroMean: false,
      perNeuron: false,
      updateNormDecay: 0.5,
      equilibriumRate: 'lion',
      groups: [{ match: 'a', neuronAxis: [0, 1], rotational: true }],
    }),
    new RotationalSGDM({ ...rates, momentum: 0.8, nesterov: true, equilibriumRate: 'adamw' }),
    new RotationalLion({ ...rates, beta1: 0.8, beta2: 0.95 }),
    new LionA({
      ...rates,
      beta: 0.98,
      nesterov: false,
      biasCorrection: 'inverse',
      matchAdamW: false,
      rrc: rrc({ batchSize: 10, start: 'none' }),
    }),
    new LionAR({
      ...rates,
      rotation: 0.04,
      equilibriumRate: 'lion',
      exactAngle: true,
      zeroMean: true,
      perNeuron: false,
      biasCorrection: 'inverseNoise',
      rrc: rrc({ immediate: true, minimum: 0.1 }),
    }),
    new GIAdam({ ...rates, initialScale: 2, initialization: 'random', seed: 9 }),
    new AdamW({ ...rates, rrc: rrc() }),
    new AdamW({ ...rates, rrc: rrc({ signalToNoise: 3, batchSize: 8 }) }),
    new AdamW({ ...rates, rrc: rrc({ signalToNoise: linearWarmup({ peak: 1, warmupSteps: 4 }) }) }),
  ];
  for (const optimizer of optimizers) {
    const config = JSON.parse(JSON.stringify(optimizer.getConfig())) as tf.serialization.ConfigDict;
    const Class = optimizer.constructor as unknown as {
      fromConfig(cls: unknown, config: tf.serialization.ConfigDict): FusedOptimizer;
    };
    const again = Class.fromConfig(Class, config);
    // tfjs answers instanceof with yes for every optimizer.
    expect(again.constructor).toBe(optimizer.constructor);
    expect(again.getConfig()).toEqual(optimizer.getConfig());
  }
});
