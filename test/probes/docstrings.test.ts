/** Runs the examples in the docstrings of the probes, with what they take for granted. */
import { readdirSync } from 'node:fs';
import * as Plot from '@observablehq/plot';
import * as tf from '@tensorflow/tfjs';
import { parseHTML } from 'linkedom';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as optimizers from '../../src/optimizers/index.js';
import * as probes from '../../src/probes/index.js';
import { hessianVectorProduct } from '../../src/probes/hessian-vector-product.js';
import { metricNames } from '../../src/probes/metrics.js';
import { useBackend } from '../support/backends.js';
import { read, runExample } from '../support/examples.js';
import { normals, variableOf } from './support.js';

const examples = readdirSync(new URL('../../src/probes', import.meta.url)).flatMap((file) =>
  [
    ...read(`src/probes/${file}`).matchAll(
      /^( *)\* @example ?([\s\S]*?)\n +\*\/\n *(?:export )?(?:async )?(?:static )?(?:function |class )?(\w+)/gm,
    ),
  ].map(([, , text, name]) => ({
    name,
    parts: text
      .replaceAll(/^ *\* ?/gm, '')
      .trim()
      .split(/\n\n/),
  })),
);

/** A network, its data, and an optimizer that is about to train it. */
function setting() {
  const [x, y] = [tf.tensor2d(normals(48, 1), [16, 3]), tf.tensor2d(normals(16, 2), [16, 1])];
  const [w1, w2] = [variableOf(normals(12, 3), [3, 4]), variableOf(normals(4, 4), [4, 1])];
  const weights = variableOf(normals(3, 5), [3, 1]);
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 4, inputShape: [3], activation: 'relu' }),
      tf.layers.dense({ units: 1 }),
    ],
  });
  const probe = new probes.UpdateProbe();
  const optimizer = new optimizers.SGDMomentum({ learningRate: 0.01, probe });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  // Without arguments of fixed data; of weights and a batch; or of predictions and what they should
  // be.
  const loss = (a: tf.Tensor = weights, b: tf.Tensor = x): tf.Tensor =>
    a.shape[0] === b.shape[0]
      ? tf.losses.meanSquaredError(b, a)
      : tf.mean(tf.square(tf.matMul(b, a as tf.Tensor2D)));
  const recorder = new probes.ProbeRecorder().log(0, { loss: 1 });
  const { document } = parseHTML('<html><body></body></html>');
  return {
    tf,
    x,
    y,
    w1,
    w2,
    weights,
    model,
    probe,
    optimizer,
    loss,
    recorder,
    document,
    Plot,
    parseHTML,
    xs: x,
    ys: y,
    inputs: x,
    variables: [weights],
    firstHalf: tf.slice(x, 0, 8),
    secondHalf: tf.slice(x, 8, 8),
    text: JSON.stringify(recorder),
    surface: {},
    tfvis: { render: { linechart: vi.fn() } },
    writeFile: vi.fn(),
    hessianVectorProduct,
    ...probes,
    AdamW: optimizers.AdamW,
  };
}

beforeEach(() => useBackend('wasm'));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  tf.disposeVariables();
});

test('every probe has one', () => {
  const functions = Object.entries(probes)
    .filter(([, value]) => typeof value === 'function')
    .map(([name]) => name);
  expect(examples.map(({ name }) => name)).toEqual(expect.arrayContaining(functions));
});

test('the probe of updates says what each metric is', () => {
  const text = read('src/probes/update-probe.ts');
  for (const metric of metricNames) expect(text, metric).toContain(` * - ${metric}: `);
});

test.each(examples)('$name', async ({ name, parts }) => {
  vi.spyOn(console, 'log').mockImplementation(() => {});
  const given = setting();
  // A figure without options is drawn in a browser.
  vi.stubGlobal('document', given.document);
  // An example names the first layer of a model of its own.
  const taken = (code: string) =>
    code.replaceAll(
      "'dense_Dense1/kernel'",
      `'${(given.model.trainableWeights[0].read() as tf.Variable).name}'`,
    );
  let claims = 0;
  for (const part of parts)
    claims += await runExample(
      `const { ${Object.keys(given).join(', ')} } = modules.given;\n{\n${taken(part)}\n}`,
      { given },
    );
  // An example of a probe claims what it gives; one of a method may only show the call.
  if (name in probes) expect(claims).toBeGreaterThan(0);
});
