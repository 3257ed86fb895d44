/** The recorder: what goes in comes out, as JSON, as CSV, as a picture, and out of model.fit. */
import * as Plot from '@observablehq/plot';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { parseHTML } from 'linkedom';
import { beforeEach, describe, expect, test } from 'vitest';
import { AdamW } from '../../src/optimizers/index.js';
import {
  ProbeRecorder,
  UpdateProbe,
  instabilityThreshold,
  type FigureOptions,
  type RecorderCallbackOptions,
} from '../../src/probes/index.js';
import { linearWarmup } from '../../src/schedules/index.js';
import { useBackend } from '../support/backends.js';
import { backends, normals, withoutLeak } from './support.js';

const plot = Plot as unknown as Parameters<ProbeRecorder['figure']>[0];
const numbers = fc
  .oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity))
  .filter((x) => !Object.is(x, -0));
/** Texts that look like numbers, or that a table or an object could trip over. */
const names = fc
  .oneof(
    fc.string({ minLength: 1 }),
    fc.constantFrom(
      'NaN',
      'Infinity',
      'dense/kernel',
      'a,b',
      'say "w"',
      'two\nlines',
      'constructor',
    ),
  )
  .filter((name) => name !== 'step' && name !== '__proto__');

const runs = fc.array(
  fc.record({
    step: fc.nat(1000),
    values: fc.dictionary(names, numbers),
    variables: fc.dictionary(names, fc.dictionary(names, fc.oneof(numbers, fc.array(numbers)))),
  }),
  { maxLength: 6 },
);
type Run = typeof runs extends fc.Arbitrary<infer T> ? T : never;

function recorded(run: Run): ProbeRecorder {
  const recorder = new ProbeRecorder({ name: 'NaN', kind: 'adam', beta: 0.8 });
  for (const { step, values, variables } of run)
    recorder.log(step, values).add([{ step, variables }]);
  return recorder;
}

/** A table by RFC 4180, character by character. */
function parseCSV(text: string): string[][] {
  const rows: string[][] = [[]];
  let [cell, quoted] = ['', false];
  for (let i = 0; i < text.length; i++) {
    if (quoted) {
      if (text[i] !== '"') cell += text[i];
      else if (text[i + 1] === '"') cell += text[i++];
      else quoted = false;
    } else if (text[i] === '"') quoted = true;
    else if (text[i] === ',') [cell] = ['', rows.at(-1)!.push(cell)];
    else if (text.startsWith('\r\n', i)) [cell] = ['', rows.at(-1)!.push(cell), rows.push([]), i++];
    else cell += text[i];
  }
  expect([cell, quoted, rows.pop()]).toEqual(['', false, []]);
  return rows;
}

describe('what is recorded', () => {
  test('steps come in order, whatever the order of the calls; what is said twice is replaced', () => {
    const recorder = new ProbeRecorder()
      .log(20, { loss: 1, accuracy: 0.5 })
      .add([
        { step: 10, clipCoefficient: 0.5, variables: { w: { updateNorm: 1, angularUpdate: 2 } } },
        { step: 20, variables: { b: { updateNorm: 3 } } },
      ])
      .add([{ step: 10, variables: { w: { updateNorm: 4 } } }])
      .log(20, { loss: 2, sharpness: undefined });
    expect(recorder.steps).toEqual([
      {
        step: 10,
        values: { clipCoefficient: 0.5 },
        variables: { w: { updateNorm: 4, angularUpdate: 2 } },
      },
      { step: 20, values: { loss: 2, accuracy: 0.5 }, variables: { b: { updateNorm: 3 } } },
    ]);
    expect(recorder.variables).toEqual(['w', 'b']);
    expect(recorder.series('loss')).toEqual([{ x: 20, y: 2 }]);
    expect(recorder.series('updateNorm', 'w')).toEqual([{ x: 10, y: 4 }]);
    expect(recorder.series('updateNorm', 'other')).toEqual([]);
  });

  test.each([
    ['gd', 0.9],
    ['momentum', 0.5],
    ['adam', 0.9],
  ] as const)('the threshold of %s at each learning rate', (kind, beta) => {
    const recorder = new ProbeRecorder({ kind, beta })
      .log(0, { learningRate: 0 })
      .log(1, { learningRate: 0.1 })
      .log(2, { learningRate: 0.2 })
      .log(3, { loss: 1 });
    expect(recorder.series('threshold')).toEqual(
      [0.1, 0.2].map((learningRate, i) => ({
        x: i + 1,
        y: instabilityThreshold({ learningRate, kind, beta }),
      })),
    );
  });

  test('a list for each neuron may be a typed array', () => {
    const recorder = new ProbeRecorder().add([
      { step: 0, variables: { w: { neuronAngularUpdate: Float64Array.of(0.5, NaN) } } },
    ]);
    expect(recorder.steps[0].variables).toEqual({ w: { neuronAngularUpdate: [0.5, NaN] } });
  });
});

describe('JSON', () => {
  test('gives everything back: NaN, infinities, lists, and names that look like them', () => {
    fc.assert(
      fc.property(runs, (run) => {
        const recorder = recorded(run);
        const text = JSON.stringify(recorder);
        const again = ProbeRecorder.fromJSON(JSON.parse(text));
        expect(again.steps).toEqual(recorder.steps);
        expect(again.name).toBe('NaN');
        expect(JSON.stringify(again)).toBe(text);
      }),
    );
  });

  test('the kind and beta of the threshold come back too', () => {
    const recorder = new ProbeRecorder({ kind: 'adam', beta: 0.5 }).log(0, { learningRate: 1 });
    expect(
      ProbeRecorder.fromJSON(JSON.parse(JSON.stringify(recorder))).series('threshold'),
    ).toEqual([{ x: 0, y: 6 }]);
  });

  test.each([
    [undefined, 'run must be what toJSON gave, of version 1, got undefined, version undefined'],
    [
      { format: 'other', version: 1 },
      "run must be what toJSON gave, of version 1, got 'other', version 1",
    ],
    [
      { format: 'tfjs-warmup-run', version: 2 },
      "run must be what toJSON gave, of version 1, got 'tfjs-warmup-run', version 2",
    ],
    [
      { format: 'tfjs-warmup-run', version: 1, name: '', kind: 'gd', beta: 0.9 },
      "run's steps must be a list, got undefined",
    ],
    [
      {
        format: 'tfjs-warmup-run',
        version: 1,
        name: '',
        kind: 'gd',
        beta: 0.9,
        steps: [{ step: 0, values: { loss: 'low' }, variables: {} }],
      },
      "loss at step 0 must be a number, got 'low'",
    ],
  ])('%j is refused', (run, message) => {
    expect(() => ProbeRecorder.fromJSON(run as never)).toThrow(`ProbeRecorder: ${message}`);
  });
});

describe('CSV', () => {
  test('reads back as what was recorded, lists apart', () => {
    fc.assert(
      fc.property(runs, (run) => {
        const recorder = recorded(run);
        const [columns, ...rows] = parseCSV(recorder.toCSV());
        expect(rows.map(([step]) => Number(step))).toEqual(recorder.steps.map(({ step }) => step));
        for (const [i, { values, variables }] of recorder.steps.entries()) {
          const cells = new Map<string, number>(Object.entries(values));
          for (const [name, metrics] of Object.entries(variables))
            for (const [metric, value] of Object.entries(metrics))
              if (typeof value === 'number') cells.set(`${name} ${metric}`, value);
          expect(rows[i].length).toBe(columns.length);
          const found = columns
            .slice(1)
            .flatMap((column, k) =>
              rows[i][k + 1] === '' ? [] : [[column, Number(rows[i][k + 1])] as const],
            );
          expect(new Map(found)).toEqual(cells);
        }
      }),
    );
  });

  test('the columns that all runs share come first; what is not known is empty', () => {
    const recorder = new ProbeRecorder()
      .log(0, { accuracy: 0.5, sharpness: 3 })
      .add([
        {
          step: 2,
          clipCoefficient: 1,
          variables: {
            'dense, "first"': {
              updateNorm: 1e-7,
              gradientSNR: Infinity,
              neuronAngularUpdate: [1, 2],
            },
          },
        },
      ])
      .log(2, { loss: NaN });
    expect(recorder.toCSV()).toBe(
      'step,loss,sharpness,clipCoefficient,accuracy,"dense, ""first"" updateNorm","dense, ""first"" gradientSNR"\r\n0,,3,,0.5,,\r\n2,NaN,,1,,1e-7,Infinity\r\n',
    );
  });

  test('of nothing is a header', () => {
    expect(new ProbeRecorder().toCSV()).toBe('step\r\n');
  });
});

describe('the figure', () => {
  const { document } = parseHTML('<html></html>');
  const full = () => {
    const recorder = new ProbeRecorder({ name: 'SGD & <friends>' });
    for (let step = 0; step < 5; step++) {
      recorder.log(step, { loss: 1 / (step + 1), learningRate: 0.1, sharpness: 10 + 4 * step });
      recorder.add([
        {
          step,
          variables: {
            w: { updateNorm: 0.1, angularUpdate: 0.2, gradientSNR: step },
            b: { updateNorm: 0.3, angularUpdate: 0 },
          },
        },
      ]);
    }
    return recorder;
  };
  const draw = (recorder: ProbeRecorder, options: FigureOptions = {}) =>
    recorder.figure(plot, { document, ...options });
  const titles = (svg: Element) =>
    Array.from(svg.children)
      .filter(({ tagName }) => tagName.toLowerCase() === 'text')
      .map(({ textContent }) => textContent);
  const panels = (svg: Element) =>
    Array.from(svg.children).filter(({ tagName }) => tagName.toLowerCase() === 'svg');
  /** The y of each point of each line, from its path. */
  const lines = (panel: Element): number[][] =>
    Array.from(panel.querySelectorAll('[aria-label="line"] path'), (path) =>
      (path.getAttribute('d') ?? '')
        .split(/[ML]/)
        .slice(1)
        .map((point) => Number(point.split(',')[1])),
    );

  test('has a panel for each of the six curves, under the name', () => {
    const svg = draw(full());
    expect(titles(svg)).toEqual([
      'SGD & <friends>',
      'loss',
      'learning rate',
      'update norm |dw|',
      'angular update in radians',
      'signal-to-noise ratio of the gradient',
      'sharpness, and where training becomes unstable',
    ]);
    expect(panels(svg).map((panel) => lines(panel).length)).toEqual([1, 1, 2, 1, 1, 2]);
    // A step at which the ratio is 0 has no place on a logarithmic axis.
    expect(lines(panels(svg)[4])[0].length).toBe(4);
    expect(Number(svg.getAttribute('height'))).toBe(24 + 6 * (24 + 180));
  });

  test('crosses the line of 2 / learningRate where the sharpness does', () => {
    const [measured, threshold] = lines(panels(draw(full())).at(-1)!);
    expect(new Set(threshold).size).toBe(1);
    // 10, 14, 18, 22, 26 against 20; y grows downwards.
    expect(measured.map((y, i) => y > threshold[i])).toEqual([true, true, true, false, false]);
    // On a logarithmic axis, which holds the high line of a warmup too.
    const share = Math.log(20 / 18) / Math.log(22 / 18);
    expect(Math.abs(measured[2] + share * (measured[3] - measured[2]) - threshold[0])).toBeLessThan(
      0.01,
    );
  });

  test('is a file of its own, with its texts escaped', () => {
    const svg = draw(full(), { width: 300, panelHeight: 100 });
    expect(['xmlns', 'width', 'height', 'viewBox'].map((name) => svg.getAttribute(name))).toEqual([
      'http://www.w3.org/2000/svg',
      '300',
      '768',
      '0 0 300 768',
    ]);
    const text = svg.outerHTML;
    expect(text).toContain('SGD &amp; &lt;friends&gt;');
    expect(text).not.toContain('<friends>');
  });

  test('leaves out what is not known, and variables that were not asked for', () => {
    const svg = draw(
      new ProbeRecorder().log(0, { loss: 1, learningRate: 0.1 }).log(1, { loss: NaN }),
    );
    expect(titles(svg)).toEqual(['loss', 'learning rate']);
    expect(lines(panels(svg)[0])[0].length).toBe(1);
    expect(lines(panels(draw(full(), { variables: ['w'] }))[2]).length).toBe(1);
  });

  test('errors', () => {
    expect(() => draw(new ProbeRecorder())).toThrow(
      'ProbeRecorder.figure: nothing is recorded that could be drawn; call log(step, { loss }) or add(await probe.read()) first',
    );
    expect(() => full().figure(undefined as never, { document })).toThrow(
      'ProbeRecorder.figure: Plot must be Observable Plot',
    );
    expect(() => full().figure(plot)).toThrow(
      'ProbeRecorder.figure: document must be given outside of a browser, as one of linkedom or jsdom, got undefined',
    );
    expect(() => draw(full(), { width: 10 })).toThrow(
      'ProbeRecorder.figure: width must lie in [100, Infinity), got 10',
    );
    expect(() => draw(full(), { panelHeight: NaN })).toThrow(
      'ProbeRecorder.figure: panelHeight must lie in [50, Infinity), got NaN',
    );
    expect(() => draw(full(), { variables: ['v'] })).toThrow(
      "ProbeRecorder.figure: variables must be among those that were read, w, b, got 'v'",
    );
    expect(() => draw(full(), { heigth: 1 } as never)).toThrow(
      "ProbeRecorder.figure: unknown option 'heigth'",
    );
  });
});

describe.each(backends)('the callback of model.fit on %s', (backend) => {
  beforeEach(() => useBackend(backend));
  const [samples, batchSize, epochs] = [40, 8, 3];
  const perEpoch = samples / batchSize;

  async function fit(
    options: (made: { probe: UpdateProbe; optimizer: AdamW }) => RecorderCallbackOptions,
    probeOptions = {},
  ) {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 4, inputShape: [3], activation: 'relu' }),
        tf.layers.dense({ units: 1 }),
      ],
    });
    const probe = new UpdateProbe(probeOptions);
    const optimizer = new AdamW({
      learningRate: linearWarmup({ peak: 0.01, warmupSteps: 10 }),
      probe,
    });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const [x, y] = [
      tf.tensor2d(normals(samples * 3, 1), [samples, 3]),
      tf.tensor2d(normals(samples, 2), [samples, 1]),
    ];
    const recorder = new ProbeRecorder({ kind: 'adam' });
    const callbacks = recorder.callback(options({ probe, optimizer }));
    const { history } = await model.fit(x, y, {
      epochs,
      batchSize,
      validationData: [x, y],
      verbose: 0,
      callbacks,
    });
    const result = {
      recorder,
      history: history as Record<string, number[]>,
      left: await probe.read(),
      again: () => model.fit(x, y, { epochs: 1, batchSize, verbose: 0, callbacks }),
    };
    return { ...result, dispose: () => (optimizer.dispose(), model.dispose(), tf.dispose([x, y])) };
  }

  test('collects every reading, the rate of every step and the losses of every epoch', async () => {
    const { recorder, history, left } = await withoutLeak(async () => {
      const made = await fit(({ probe, optimizer }) => ({ probe, optimizer, readEvery: 4 }), {
        keep: 4,
      });
      made.dispose();
      return made;
    });
    const steps = epochs * perEpoch;
    expect(recorder.steps.map(({ step }) => step)).toEqual(
      Array.from({ length: steps }, (_, i) => i),
    );
    const schedule = linearWarmup({ peak: 0.01, warmupSteps: 10 });
    for (const { step, values, variables } of recorder.steps) {
      expect(values.learningRate).toBe(schedule(step));
      expect(Object.keys(variables).length).toBe(4);
      for (const metrics of Object.values(variables)) expect(metrics.updateNorm).toBeGreaterThan(0);
    }
    const ends = Array.from({ length: epochs }, (_, epoch) => (epoch + 1) * perEpoch - 1);
    expect(recorder.series('loss')).toEqual(
      ends.map((x, epoch) => ({ x, y: history.loss[epoch] })),
    );
    expect(recorder.series('val_loss')).toEqual(
      ends.map((x, epoch) => ({ x, y: history.val_loss[epoch] })),
    );
    expect(left).toEqual([]);
  });

  test('batchLoss: the loss of every batch, whose mean is that of the epoch', async () => {
    const { recorder, history, dispose } = await fit(() => ({ batchLoss: true }));
    const losses = recorder.series('loss');
    expect(losses.map(({ x }) => x)).toEqual(
      Array.from({ length: epochs * perEpoch }, (_, i) => i),
    );
    for (let epoch = 0; epoch < epochs; epoch++) {
      const mean =
        losses.slice(epoch * perEpoch, (epoch + 1) * perEpoch).reduce((sum, { y }) => sum + y, 0) /
        perEpoch;
      expect(mean / history.loss[epoch]).toBeCloseTo(1, 5);
    }
    expect(recorder.series('val_loss').length).toBe(epochs);
    expect(recorder.series('learningRate')).toEqual([]);
    expect(recorder.series('size').concat(recorder.series('batch'))).toEqual([]);
    dispose();
  });

  test('counts on in a second fit, with the optimizer and without', async () => {
    for (const withOptimizer of [true, false]) {
      const { recorder, again, dispose } = await fit(({ optimizer }) =>
        withOptimizer ? { optimizer } : {},
      );
      await again();
      expect(recorder.series('loss').map(({ x }) => x)).toEqual([4, 9, 14, 19]);
      dispose();
    }
  });
});

describe('errors', () => {
  test.each([
    [{ kind: 'sgd' }, "ProbeRecorder: kind must be 'gd', 'momentum' or 'adam', got 'sgd'"],
    [{ beta: 1 }, 'ProbeRecorder: beta must lie in [0, 1), got 1'],
    [{ name: 3 }, 'ProbeRecorder: name must be a text, got 3'],
    [{ title: '' }, "ProbeRecorder: unknown option 'title'"],
  ])('options %j', (options, message) => {
    expect(() => new ProbeRecorder(options as never)).toThrow(message);
  });

  const wrong: Record<string, readonly [f: (recorder: ProbeRecorder) => unknown, message: string]> =
    {
      'a step that is no count': [
        (recorder) => recorder.log(-1, { loss: 1 }),
        'step must be a whole number of at least 0, got -1',
      ],
      'a value that is no number': [
        (recorder) => recorder.log(7, { loss: 1, accuracy: 'high' as never }),
        "accuracy at step 7 must be a number, got 'high'",
      ],
      'a number named step': [
        (recorder) => recorder.log(7, { step: 3 }),
        "a number's name must not be 'step', which is the first argument of log, got 'step'",
      ],
      'readings that are no list': [
        (recorder) => recorder.add({} as never),
        'readings must be what probe.read() gave, got [object Object]',
      ],
      'the promise of readings': [
        (recorder) => recorder.add(Promise.resolve([]) as never),
        'readings must be what probe.read() gave, got [object Promise]',
      ],
      'a reading without variables': [
        (recorder) =>
          recorder.add([{ step: 1, variables: { w: { updateNorm: 1 } } }, { step: 7 } as never]),
        'the variables of step 7 must be an object, got undefined',
      ],
      'a reading without a step': [
        (recorder) => recorder.add([{ step: 1, variables: {} }, { variables: {} } as never]),
        'step must be a whole number of at least 0, got undefined',
      ],
    };
  test.each(Object.entries(wrong))('%s: nothing is recorded', (_, [f, message]) => {
    const recorder = new ProbeRecorder().log(0, { loss: 1 });
    expect(() => f(recorder)).toThrow(`ProbeRecorder: ${message}`);
    expect(recorder.steps).toEqual([{ step: 0, values: { loss: 1 }, variables: {} }]);
  });

  test.each([
    [{ readEvery: 0 }, 'readEvery must be a whole number of at least 1, got 0'],
    [{ probe: {} }, 'probe must be an UpdateProbe, got an object of Object'],
    [{ optimizer: 'adam' }, "optimizer must be the optimizer that trains, got 'adam'"],
    [{ every: 3 }, "unknown option 'every'"],
  ])('callback options %j', (options, message) => {
    expect(() => new ProbeRecorder().callback(options as never)).toThrow(
      `ProbeRecorder.callback: ${message}`,
    );
  });

  test('an optimizer of tfjs itself will do for the count of steps', async () => {
    const recorder = new ProbeRecorder();
    const callback = recorder.callback({ optimizer: tf.train.sgd(0.1) });
    await callback.onBatchBegin(0);
    await callback.onEpochEnd(0, { loss: 2 });
    expect(recorder.series('loss')).toEqual([{ x: 0, y: 2 }]);
  });
});
