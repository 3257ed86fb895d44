/** Runs the examples in the docstrings of the optimizers, with what they take for granted. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as library from '../../src/index.js';
import { FusedOptimizer } from '../../src/optimizers/index.js';
import * as optimizers from '../../src/optimizers/index.js';
import { useBackend } from '../support/backends.js';
import { examplesIn, runExample } from '../support/examples.js';
import { modules } from '../support/modules.js';
import { numbersTensor } from '../support/tensors.js';

const examples = examplesIn('src/optimizers');

/** A model and its data; a model that was saved before; and what a script has imported. */
async function setting() {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
  let saved: tf.io.ModelArtifacts;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  return {
    ...library,
    tf,
    model,
    x: numbersTensor([8, 3], 1),
    y: numbersTensor([8, 2], 2),
    loss: (prediction: tf.Tensor, target: tf.Tensor) =>
      tf.losses.meanSquaredError(target, prediction),
    savedModel: tf.io.fromMemory(saved!),
  };
}

beforeEach(() => useBackend('wasm'));
afterEach(() => tf.disposeVariables());

test('every class and function has one', () => {
  // The base class is abstract.
  const functions = Object.entries(optimizers).flatMap(([name, value]) =>
    typeof value === 'function' && (value as unknown) !== FusedOptimizer ? [name] : [],
  );
  const without = functions.filter((name) => !examples.some((example) => example.name === name));
  expect(without, 'write an @example into the docstring of each of these').toEqual([]);
});

test.each(examples)('$name', async ({ code }) => {
  const given = await setting();
  // A test has no file system to load from.
  const taken = code.replaceAll("'file://model/model.json'", 'savedModel');
  await runExample(`const { ${Object.keys(given).join(', ')} } = modules.given;\n{\n${taken}\n}`, {
    ...modules,
    given,
  });
});
