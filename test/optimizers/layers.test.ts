/** The optimizers inside tfjs-layers: fit, save, load, go on. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  AdamW,
  GIAdam,
  Lion,
  registerOptimizers,
  rrc,
  RuleOptimizer,
  SGDMomentum,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { defineRule, mul, sub } from '../../src/rules/index.js';
import { linearWarmup, scale, sequence, trapezoid, wsd } from '../../src/schedules/index.js';
import { useBackend } from '../support/backends.js';
import { everything } from '../support/everything.js';
import { defaultCases } from '../support/optimizers.js';
import { bitsOf, numbersTensor, stateOf as rawStateOf } from '../support/tensors.js';

const makers: Record<string, () => FusedOptimizer> = Object.fromEntries(
  defaultCases.map(({ name, make }) => [
    name,
    () => make({ learningRate: 0.01, weightDecay: 0.1, clipNorm: 1 }),
  ]),
);

function makeModel(optimizer: FusedOptimizer): tf.Sequential {
  const initializer = (seed: number) => tf.initializers.randomNormal({ seed, stddev: 0.3 });
  const model = tf.sequential();
  model.add(
    tf.layers.dense({
      name: 'hidden_layer_1',
      units: 8,
      inputShape: [4],
      activation: 'tanh',
      kernelInitializer: initializer(1),
    }),
  );
  model.add(
    tf.layers.dense({
      name: 'hidden_layer_2',
      units: 6,
      activation: 'relu',
      kernelInitializer: initializer(2),
    }),
  );
  model.add(tf.layers.dense({ name: 'output', units: 1, kernelInitializer: initializer(3) }));
  model.compile({ optimizer, loss: 'meanSquaredError' });
  return model;
}

let x: tf.Tensor;
let y: tf.Tensor;

/** Trains for `epochs` and gives the losses. */
async function fit(model: tf.LayersModel, epochs = 3): Promise<number[]> {
  const { history } = await model.fit(x, y, { epochs, batchSize: 8, shuffle: false, verbose: 0 });
  return history.loss as number[];
}

/** Saves as a file would: everything but the weights goes through JSON. */
async function save(model: tf.LayersModel): Promise<tf.io.ModelArtifacts> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (given) => {
      const { weightData, ...rest } = given;
      artifacts = { ...(JSON.parse(JSON.stringify(rest)) as tf.io.ModelArtifacts), weightData };
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
    { includeOptimizer: true },
  );
  return artifacts!;
}

const load = (artifacts: tf.io.ModelArtifacts): Promise<tf.LayersModel> =>
  tf.loadLayersModel(tf.io.fromMemory(artifacts));
const weightsOf = (model: tf.LayersModel) => model.getWeights().map(bitsOf);
const optimizerOf = (model: tf.LayersModel) => model.optimizer as unknown as FusedOptimizer;
/**
 * tfjs-layers never uses a variable name twice in one session: what it appends says nothing here.
 */
const withoutSuffixes = (name: string): string => name.replace(/_\d+(?=\/\w+$)/, '');
const stateOf = async (optimizer: FusedOptimizer) =>
  Object.fromEntries(
    Object.entries(await rawStateOf(optimizer)).map(([name, values]) => [
      withoutSuffixes(name),
      values,
    ]),
  );
const configOf = (model: tf.LayersModel) => optimizerOf(model).getConfig();

function dispose(model: tf.LayersModel): void {
  optimizerOf(model).dispose();
  model.dispose();
}

beforeAll(() => registerOptimizers({ rules: [everything] }));

describe.each(['wasm', 'cpu'])('%s', (backend) => {
  beforeEach(async () => {
    await useBackend(backend);
    x = numbersTensor([32, 4], 1);
    y = tf.tidy(() => tf.sum(tf.square(x), 1, true));
  });
  afterEach(() => tf.dispose([x, y]));

  test.each(Object.keys(makers))(
    '%s: saved, loaded and continued equals the run that was never saved',
    async (name) => {
      const whole = makeModel(makers[name]());
      const losses = await fit(whole, 6);
      const [wholeWeights, wholeState] = [weightsOf(whole), await stateOf(optimizerOf(whole))];
      dispose(whole);
      expect(losses.at(-1)).toBeLessThan(losses[0]);

      const first = makeModel(makers[name]());
      await fit(first);
      const artifacts = await save(first);
      const trainedWeights = weightsOf(first);
      dispose(first);

      const second = await load(artifacts);
      expect(optimizerOf(second).getClassName()).toBe(name);
      expect(optimizerOf(second).executorName).toBe('wasm');
      expect(optimizerOf(second).iterations).toBe(12);
      expect(weightsOf(second)).toEqual(trainedWeights);
      await fit(second);
      expect(weightsOf(second)).toEqual(wholeWeights);
      expect(await stateOf(optimizerOf(second))).toEqual(wholeState);
      dispose(second);
    },
  );

  test('loaded while the first model lives, the names come back with _1: both go on alike', async () => {
    const first = makeModel(makers.AdamW());
    await fit(first);
    const second = await load(await save(first));
    const names = [first, second].map((model) => model.trainableWeights.map(({ name }) => name));
    expect(names[0]).not.toEqual(names[1]);
    expect(names[0].map((name) => name.replace(/_\d+$/, ''))).toEqual(
      names[1].map((name) => name.replace(/_\d+$/, '')),
    );
    await fit(first);
    await fit(second);
    expect(weightsOf(second)).toEqual(weightsOf(first));
    const [one, two] = [await stateOf(optimizerOf(first)), await stateOf(optimizerOf(second))];
    expect(Object.values(two)).toEqual(Object.values(one));
    // What was saved under a name with _1 finds a third model, and the plain name in a session
    // without others.
    const artifacts = await save(second);
    const third = await load(artifacts);
    await fit(third);
    dispose(first);
    dispose(third);
    await fit(second);
    const expected = weightsOf(second);
    dispose(second);
    const alone = await load(artifacts);
    await fit(alone);
    expect(weightsOf(alone)).toEqual(expected);
    dispose(alone);
  });

  test('saved before its first step', async () => {
    const first = makeModel(makers.AdamW());
    const second = await load(await save(first));
    await fit(first);
    await fit(second);
    expect(weightsOf(second)).toEqual(weightsOf(first));
    dispose(first);
    dispose(second);
  });

  test('saved twice over without a step between', async () => {
    const first = makeModel(makers.AdamW());
    await fit(first);
    const again = await save(first);
    const second = await load(again);
    const third = await load(await save(second));
    await fit(first);
    await fit(third);
    expect(weightsOf(third)).toEqual(weightsOf(first));
    [first, second, third].forEach(dispose);
  });

  test('a layer that is frozen and thawed in mid-run keeps its own moments', async () => {
    const model = makeModel(makers.AdamW());
    await fit(model, 1);
    const before = await stateOf(optimizerOf(model));
    const optimizer = optimizerOf(model);
    const [hidden] = model.layers;
    const frozenWeights = hidden.getWeights().map(bitsOf);
    hidden.trainable = false;
    model.compile({ optimizer, loss: 'meanSquaredError' });
    await fit(model, 1);
    const frozen = await stateOf(optimizer);
    expect(hidden.getWeights().map(bitsOf)).toEqual(frozenWeights);
    const ofHidden = (state: Record<string, number[]>) =>
      Object.fromEntries(
        Object.entries(state).filter(([name]) => name.startsWith('hidden_layer_1')),
      );
    expect(Object.keys(ofHidden(frozen)).length).toBe(6);
    expect(ofHidden(frozen)).toEqual(ofHidden(before));
    expect(frozen.iter).toEqual([8]);
    // Saved while it is frozen, its moments come along.
    const artifacts = await save(model);
    hidden.trainable = true;
    model.compile({ optimizer, loss: 'meanSquaredError' });
    await fit(model, 1);
    expect((await stateOf(optimizer))['hidden_layer_1/kernel/count']).toEqual([8]);
    const expected = weightsOf(model);
    dispose(model);

    const loaded = await load(artifacts);
    const loadedOptimizer = optimizerOf(loaded);
    loaded.layers[0].trainable = true;
    loaded.compile({ optimizer: loadedOptimizer, loss: 'meanSquaredError' });
    await fit(loaded, 1);
    // tfjs puts frozen weights behind the others and keeps that order: only the values count here.
    expect(weightsOf(loaded)).toEqual(expected);
    dispose(loaded);
  });

  test('groups with patterns survive', async () => {
    const groups = [
      { match: 'hidden_*/kernel', learningRateScale: 0.5, weightDecay: 0.3 },
      { match: ['output/kernel', 'output/bias'], weightDecay: 0 },
    ];
    const first = makeModel(new AdamW({ learningRate: 0.01, groups }));
    await fit(first);
    const described = optimizerOf(first).describe();
    expect(
      described.map(({ name, learningRateScale, weightDecay }) => [
        name.replace(/_\d+$/, ''),
        learningRateScale,
        weightDecay,
      ]),
    ).toEqual([
      ['hidden_layer_1/kernel', 0.5, 0.3],
      ['hidden_layer_1/bias', 1, 0],
      ['hidden_layer_2/kernel', 0.5, 0.3],
      ['hidden_layer_2/bias', 1, 0],
      ['output/kernel', 1, 0],
      ['output/bias', 1, 0],
    ]);
    const second = await load(await save(first));
    expect(configOf(second)).toEqual(configOf(first));
    await fit(first);
    await fit(second);
    expect(weightsOf(second)).toEqual(weightsOf(first));
    expect(
      optimizerOf(second)
        .describe()
        .map(({ learningRateScale, weightDecay }) => [learningRateScale, weightDecay]),
    ).toEqual(
      described.map(({ learningRateScale, weightDecay }) => [learningRateScale, weightDecay]),
    );
    dispose(first);
    dispose(second);
  });

  test.each([
    ['trapezoid', () => trapezoid({ peak: 0.02, totalSteps: 24, warmupFraction: 0.25 })],
    ['linearWarmup', () => linearWarmup({ peak: 0.02, warmupSteps: 15 })],
    [
      'wsd',
      () =>
        wsd({
          peak: 0.02,
          totalSteps: 24,
          warmupSteps: 3,
          cooldownSteps: 10,
          cooldown: 'oneMinusSqrt',
        }),
    ],
    [
      'a sequence',
      () =>
        sequence(
          { schedule: linearWarmup({ peak: 0.02, warmupSteps: 5 }), steps: 5 },
          scale(trapezoid({ peak: 0.04, totalSteps: 19, warmupFraction: 0 }), 0.5),
        ),
    ],
  ])('a schedule survives: %s', async (_, make) => {
    const first = makeModel(new AdamW({ learningRate: make() }));
    await fit(first);
    const second = await load(await save(first));
    expect(configOf(second)).toEqual(configOf(first));
    expect(optimizerOf(second).currentLearningRate).toBe(make()(12));
    await fit(first);
    await fit(second);
    expect(weightsOf(second)).toEqual(weightsOf(first));
    dispose(first);
    dispose(second);
  });

  test.each([
    ['estimated', () => rrc({ batchSize: 8, immediate: true, start: 'none' })],
    [
      'given by a schedule',
      () => rrc({ minimum: 0.2, signalToNoise: linearWarmup({ peak: 2, warmupSteps: 15 }) }),
    ],
  ])('a correction survives: %s', async (_, make) => {
    const first = makeModel(new AdamW({ learningRate: 0.01, rrc: make() }));
    await fit(first);
    const second = await load(await save(first));
    expect(configOf(second)).toEqual(configOf(first));
    await fit(first);
    await fit(second);
    expect(weightsOf(second)).toEqual(weightsOf(first));
    dispose(first);
    dispose(second);
  });

  test('a plain function as rate trains, but says that it cannot be saved', async () => {
    const model = makeModel(new AdamW({ learningRate: (step) => 0.01 / (step + 1) }));
    const losses = await fit(model);
    expect(losses.at(-1)).toBeLessThan(losses[0]);
    expect(() => configOf(model)).toThrow(
      'AdamW: learningRate is a plain function, which cannot be saved; a schedule, a number or a name can',
    );
    await expect(save(model)).rejects.toThrow('cannot be saved');
    dispose(model);
  });
});

// tfjs has no gradient of convolution filters on wasm.
test('a model of convolutions trains on cpu', async () => {
  await useBackend('cpu');
  const model = tf.sequential();
  const kernelInitializer = tf.initializers.randomNormal({ seed: 1, stddev: 0.3 });
  model.add(
    tf.layers.conv2d({
      filters: 4,
      kernelSize: 3,
      inputShape: [6, 6, 2],
      activation: 'relu',
      kernelInitializer,
    }),
  );
  model.add(tf.layers.flatten());
  model.add(tf.layers.dense({ units: 1, kernelInitializer }));
  model.compile({ optimizer: new GIAdam({ learningRate: 0.05 }), loss: 'meanSquaredError' });
  const images = numbersTensor([16, 6, 6, 2], 5);
  const targets = numbersTensor([16, 1], 6);
  const { history } = await model.fit(images, targets, { epochs: 10, shuffle: false, verbose: 0 });
  expect(history.loss.at(-1)).toBeLessThan(0.9 * (history.loss[0] as number));
  dispose(model);
  tf.dispose([images, targets]);
});

describe('what is saved', () => {
  beforeAll(() => useBackend('cpu'));

  test('class names', () => {
    expect(
      [AdamW, GIAdam, Lion, SGDMomentum, RuleOptimizer].map(({ className }) => className),
    ).toEqual(['AdamW', 'GIAdam', 'Lion', 'SGDMomentum', 'RuleOptimizer']);
    for (const { className, make } of defaultCases)
      expect(make({ learningRate: 0.1 }).getClassName()).toBe(className);
  });

  test.each(Object.keys(makers))('the config of %s is plain JSON and makes its equal', (name) => {
    const optimizer = makers[name]();
    const config = JSON.parse(JSON.stringify(optimizer.getConfig())) as tf.serialization.ConfigDict;
    const Class = optimizer.constructor as unknown as {
      fromConfig(cls: unknown, config: tf.serialization.ConfigDict): FusedOptimizer;
    };
    const again = Class.fromConfig(Class, config);
    expect(again.getConfig()).toEqual(optimizer.getConfig());
  });

  test('every option survives', () => {
    const options = {
      learningRate: 0.1,
      momentum: 0.5,
      nesterov: true,
      weightDecay: 0.2,
      clipNorm: 3,
      executor: 'ops' as const,
    };
    const again = SGDMomentum.fromConfig(
      SGDMomentum as never,
      new SGDMomentum(options).getConfig(),
    ) as unknown as SGDMomentum;
    expect(again.getConfig()).toMatchObject(options);
  });

  test.each(['MyRule', 'AdamW', 'my1Rule', 'rule2B', 'x'])(
    'a rule named %s is found again',
    async (name) => {
      const named = defineRule({
        name,
        update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)) }),
      });
      registerOptimizers({ rules: [named] });
      const model = makeModel(new RuleOptimizer({ rule: named, learningRate: 0.1 }));
      const loaded = await load(await save(model));
      expect(configOf(loaded).rule).toBe(name);
      dispose(model);
      dispose(loaded);
    },
  );

  test('hyperparameters whose names loading would rewrite are refused at once', () => {
    const named = defineRule({
      name: 'rewritten',
      // @ts-expect-error the rule does not declare my_rate
      update: ({ w, g }, s) => ({ w: sub(w, mul(s.my_rate, g)) }),
    });
    expect(
      () =>
        new RuleOptimizer({ rule: named, learningRate: 0.1, hyperparameters: { my_rate: 0.1 } }),
    ).toThrow(/RuleOptimizer rewritten: hyperparameters.*letters and digits.*'my_rate'/);
  });

  test('a rule that nobody registered: the error says what to do', () => {
    const { className } = RuleOptimizer;
    expect(className).toBe('RuleOptimizer');
    expect(() =>
      RuleOptimizer.fromConfig(RuleOptimizer as never, {
        rule: 'forgotten',
        learningRate: 0.1,
        groups: [],
        hyperparameters: {},
      }),
    ).toThrow(
      "the saved rule 'forgotten' is not known here; call registerOptimizers({ rules: [rule] }) before loading",
    );
  });
});
