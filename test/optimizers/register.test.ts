/** What `registerOptimizers` takes: schedules of users, and the registry of another tfjs. */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  AdamW,
  Lion,
  registerOptimizers,
  type FusedOptimizer,
} from '../../src/optimizers/index.js';
import { linearWarmup, scale, scheduleFrom, sequence } from '../../src/schedules/index.js';
import { useBackend } from '../support/backends.js';
import { bitsOf } from '../support/tensors.js';

beforeEach(() => useBackend('cpu'));
afterEach(() => tf.disposeVariables());

/** Three kinds of users: of one number, of a list, and of another schedule. */
const halving = ({ every }: { every: number }) =>
  Object.assign((step: number) => 0.5 ** Math.floor(step / every), {
    spec: { kind: 'halving', every },
  });
const listed = ({ values }: { values: number[] }) =>
  Object.assign((step: number) => values[step % values.length], {
    spec: { kind: 'listed', values },
  });
const doubled = ({ schedule }: { schedule: never }) => {
  const inner = scheduleFrom(schedule);
  return Object.assign((step: number) => 2 * inner(step), {
    spec: { kind: 'doubled', schedule: inner.spec },
  });
};
const schedules = { halving, listed, doubled } as never;
const { spec } = linearWarmup({ peak: 1, warmupSteps: 4 });
const own = {
  halving: halving({ every: 2 }),
  listed: listed({ values: [0.1, 0.3] }),
  doubled: doubled({ schedule: spec as never }),
};

async function saved(model: tf.LayersModel): Promise<tf.io.ModelArtifacts> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  const handler = tf.io.withSaveHandler(async ({ weightData, ...rest }) => {
    artifacts = { ...(JSON.parse(JSON.stringify(rest)) as tf.io.ModelArtifacts), weightData };
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  });
  await model.save(handler, { includeOptimizer: true });
  return artifacts!;
}

function modelWith(optimizer: FusedOptimizer): tf.Sequential {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  return model;
}

const fit = (model: tf.LayersModel) =>
  model.fit(tf.ones([4, 3]), tf.ones([4, 2]), { epochs: 2, verbose: 0, shuffle: false });

describe('schedules of users', () => {
  test('a kind that is not known is named, before and after', () => {
    const config = { learningRate: { kind: 'unheardOf', every: 2 } } as never;
    registerOptimizers();
    expect(() => AdamW.fromConfig(AdamW, config)).toThrow(
      /scheduleFrom: kind must be one of constant, .*, got 'unheardOf'/,
    );
    registerOptimizers({ schedules });
    expect(() => AdamW.fromConfig(AdamW, config)).toThrow(
      /product, halving, listed, doubled, got 'unheardOf'/,
    );
  });

  test.each(Object.entries(own))('%s: saved and loaded with a model', async (_, learningRate) => {
    registerOptimizers({ schedules });
    const first = modelWith(new AdamW({ learningRate }));
    await fit(first);
    const second = await tf.loadLayersModel(tf.io.fromMemory(await saved(first)));
    const optimizer = second.optimizer as unknown as AdamW;
    expect(optimizer.learningRate).toHaveProperty('spec', learningRate.spec);
    expect(optimizer.currentLearningRate).toBe(learningRate(2));
    await fit(first);
    await fit(second);
    expect(second.getWeights().map(bitsOf)).toEqual(first.getWeights().map(bitsOf));
  });

  test('within schedules of the library', () => {
    registerOptimizers({ schedules });
    const rate = sequence(
      { schedule: own.listed as never, steps: 2 },
      scale(own.halving as never, 3),
    );
    const again = scheduleFrom(JSON.parse(JSON.stringify(rate.spec)));
    for (let step = 0; step < 8; step++) expect(again(step)).toBe(rate(step));
  });

  test.each([
    [
      { linearWarmup: halving },
      "schedules must be named by a new kind, in letters and digits, got 'linearWarmup'",
    ],
    [{ rrc: halving }, "schedules must be named by a new kind, in letters and digits, got 'rrc'"],
    [
      { half_life: halving },
      "schedules must be named by a new kind, in letters and digits, got 'half_life'",
    ],
    [
      { toString: halving },
      "schedules must be named by a new kind, in letters and digits, got 'toString'",
    ],
    [{ mine: 3 }, 'schedules.mine must be a function that makes a schedule from its spec, got 3'],
    [
      { mine: null },
      'schedules.mine must be a function that makes a schedule from its spec, got null',
    ],
  ])('%o is refused', (wrong, message) => {
    expect(() => registerOptimizers({ schedules: wrong as never })).toThrow(
      `registerOptimizers: ${message}`,
    );
  });

  test('a kind that makes no schedule is named', () => {
    registerOptimizers({ schedules: { nothing: () => undefined as never } });
    expect(() => scheduleFrom({ kind: 'nothing' } as never)).toThrow(
      'scheduleFrom: nothing must be made into a schedule, got undefined',
    );
  });
});

describe('the registry of another tfjs', () => {
  test.each([null, {}, 'tf', tf.serialization.registerClass])('%o is refused', (serialization) => {
    expect(() => registerOptimizers({ serialization: serialization as never })).toThrow(
      'registerOptimizers: serialization must be the tf.serialization of a tfjs, got ',
    );
  });

  test('its loadLayersModel does not know the optimizers before, and does after', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const second = createRequire(import.meta.url)('@tensorflow/tfjs/dist/tf.min.js') as typeof tf;
    warn.mockRestore();
    registerOptimizers();
    const unknown = await saved(modelWith(new AdamW({ learningRate: 0.1 })));
    tf.disposeVariables();
    await expect(second.loadLayersModel(second.io.fromMemory(unknown))).rejects.toThrow(
      'Unknown layer: AdamW',
    );
    tf.disposeVariables();
    for (const make of [
      () => new AdamW({ learningRate: linearWarmup({ peak: 0.1, warmupSteps: 9 }) }),
      () => new Lion({ learningRate: 0.01 }),
      () =>
        new AdamW({
          learningRate: 0.1,
          clipNorm: 1,
          groups: [{ match: '*/bias', weightDecay: 0 }],
        }),
    ]) {
      const first = modelWith(make());
      await fit(first);
      const artifacts = await saved(first);
      const load = () => second.loadLayersModel(second.io.fromMemory(artifacts));
      tf.disposeVariables();
      registerOptimizers({ serialization: second.serialization });
      const loaded = await load();
      const optimizer = loaded.optimizer as unknown as AdamW;
      expect(optimizer.iterations).toBe(2);
      expect(optimizer.getConfig()).toEqual((first.optimizer as unknown as AdamW).getConfig());
      await fit(loaded);
      expect(optimizer.iterations).toBe(4);
      loaded.dispose();
      tf.disposeVariables();
    }
  });
});
