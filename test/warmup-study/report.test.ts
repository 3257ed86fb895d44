import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { showProgress } from '../../bench/support/progress.js';
import { useBackend } from '../../bench/support/backend.js';
import { parseOptions } from '../../bench/warmup-study/options.js';
import { figures } from '../../bench/warmup-study/plots.js';
import { writeReport } from '../../bench/warmup-study/report.js';
import { runStudy, type Study } from '../../bench/warmup-study/study.js';
import { textTable } from '../../bench/support/text-table.js';
import { cells, header, resultRows } from '../../bench/warmup-study/table.js';

const names = ['AdamW, no warmup', 'AdamW, 10% warmup', 'GIAdam, no warmup'];
const shape = { layers: 1, width: 8, context: 8, batch: 2 };

describe('a study of 3 steps and 2 seeds', () => {
  let folder: string;
  let study: Study;
  const tensors: number[] = [];
  const log: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'study-'));
    const text = join(folder, 'a<b.txt');
    await writeFile(text, 'the whale, the sea and the ship; '.repeat(40));
    await useBackend('wasm');
    const settings = parseOptions([
      '--steps',
      '3',
      '--seeds',
      '1,2',
      '--text',
      text,
      '--report',
      folder,
    ])!;
    const progress = showProgress({ runs: 6, steps: 3 }, {
      isTTY: false,
      write: (line: string) => log.push(line),
    } as unknown as NodeJS.WriteStream);
    const before = tf.memory().numTensors;
    study = await runStudy(
      settings,
      (...step) => {
        tensors.push(tf.memory().numTensors - before);
        progress.step(...step);
      },
      shape,
    );
    tensors.push(tf.memory().numTensors - before);
    await writeReport(study, folder);
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('writes every run of every seed to study.json', async () => {
    const { config, runs } = JSON.parse(
      await readFile(join(folder, 'study.json'), 'utf8'),
    ) as Study;
    expect(config).toEqual({
      learningRate: 0.02,
      steps: 3,
      seeds: [1, 2],
      optimizers: ['AdamW', 'GIAdam'],
      backend: 'wasm',
      text: 'a<b.txt',
      vocabularySize: 14,
      validationFraction: 0.1,
      model: shape,
    });
    expect(runs.map(({ name, seed }) => [name, seed])).toEqual(
      [1, 2].flatMap((seed) => names.map((name) => [name, seed])),
    );
    for (const run of runs) {
      expect(run).toMatchObject({
        optimizer: run.name.split(',')[0],
        warmupFraction: run.name.includes('10%') ? 0.1 : 0,
        options: {
          learningRate: { kind: 'trapezoid', peak: 0.02, totalSteps: 3 },
          beta1: 0.9,
          beta2: 0.999,
          epsilon: 1e-8,
          weightDecay: 0.1,
          clipNorm: 1,
        },
      });
      for (const series of [
        run.losses,
        run.learningRates,
        run.updateNorms,
        run.angles,
        run.neuronAngles,
        run.representationChanges.map(({ value }) => value),
      ]) {
        expect(series).toHaveLength(3);
        expect(series.every((value) => value > 0)).toBe(true);
      }
      // One gradient does not tell signal from noise.
      expect(run.signalToNoise).toEqual([null, expect.any(Number), expect.any(Number)]);
      expect(run.representationChanges.map(({ step }) => step)).toEqual([0, 1, 2]);
      expect(run.validationLoss).toBeGreaterThan(0);
      expect(run.millisecondsPerStep).toBeGreaterThan(0);
    }
  });

  it('starts the runs of a seed from one loss, and others elsewhere', () => {
    const starts = study.runs.map(({ losses }) => losses[0]);
    expect(new Set(starts.slice(0, 3)).size).toBe(1);
    expect(new Set(starts.slice(3)).size).toBe(1);
    expect(starts[0]).not.toBe(starts[3]);
  });

  it('gives the same numbers again', async () => {
    const settings = parseOptions([
      '--steps',
      '3',
      '--optimizers',
      'GIAdam',
      '--text',
      join(folder, 'a<b.txt'),
    ])!;
    const [again] = (await runStudy(settings, () => {}, shape)).runs;
    const [, , first] = study.runs;
    expect(again).toEqual({ ...first, millisecondsPerStep: again.millisecondsPerStep });
  });

  it('sees the first update of AdamW and of GIAdam as large as the formulas say', () => {
    const size = 14 * 8 + 8 * 8 + 4 * 64 + 2 * 256 + 3 * 8;
    // 0.02 sqrt(size) for a step of signs; GI-Adam's is smaller by sqrt(1 - beta2). Decay and small
    // gradients are the rest.
    expect(study.runs[0].updateNorms[0] / (0.02 * Math.sqrt(size))).toBeCloseTo(1, 1);
    expect(study.runs[2].updateNorms[0] / (0.02 * Math.sqrt(size * 0.001))).toBeCloseTo(1, 0);
  });

  it('keeps the number of tensors from step to step and leaves none behind', () => {
    for (let run = 0; run < 6; run++) expect(tensors[3 * run + 1]).toBe(tensors[3 * run + 2]);
    expect(tensors.at(-1)).toBe(0);
  });

  it('draws its figures as SVG in a page that loads nothing', async () => {
    const html = await readFile(join(folder, 'index.html'), 'utf8');
    expect(html.match(/<svg/g)).toHaveLength(figures.length);
    for (const title of [
      'What the numbers say',
      'The first update',
      ...figures.map((figure) => figure.title),
      ...names,
    ])
      expect(html).toContain(title);
    expect(html).toContain('a&lt;b.txt');
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /<script|<link|<img|https?:|url\(/,
    );
    for (const { file } of figures) {
      const svg = await readFile(join(folder, `${file}.svg`), 'utf8');
      expect(svg).toMatch(/^<svg[^>]* xmlns="http:\/\/www.w3.org\/2000\/svg"/);
      // Three runs of two seeds: a line each.
      expect(svg.match(/<path[^>]*stroke="#/g)).toHaveLength(6);
      expect(svg).not.toContain('NaN');
    }
  });

  it('reports each step in plain lines where there is no terminal', () => {
    expect(log).toHaveLength(18);
    expect(log[0]).toMatch(
      /^AdamW, no warmup, seed 1: step 1 of 3, loss \d\.\d{3}, \d+\.\d steps\/s, \d+s left\n$/,
    );
    expect(log.at(-1)).toMatch(/^GIAdam, no warmup, seed 2: step 3 of 3, .* 0s left\n$/);
  });
});

describe('the result table', () => {
  const run = (name: string, seed: number, validationLoss: number) =>
    ({ name, seed, validationLoss }) as Study['runs'][number];

  it('shows each seed, its gap to AdamW with warmup, and the medians', () => {
    const runs = [2.8, 2.5, 2.6].flatMap((loss, i) => [
      run(names[0], i + 1, loss),
      run(names[1], i + 1, 2.2 + i / 10),
    ]);
    expect(textTable(header, resultRows(runs).map(cells))).toBe(
      [
        'run                   seed   validation loss   gap to AdamW, 10% warmup',
        'AdamW, no warmup         1             2.800                     +0.600',
        'AdamW, 10% warmup        1             2.200                     +0.000',
        'AdamW, no warmup         2             2.500                     +0.200',
        'AdamW, 10% warmup        2             2.300                     +0.000',
        'AdamW, no warmup         3             2.600                     +0.200',
        'AdamW, 10% warmup        3             2.400                     +0.000',
        'AdamW, no warmup    median             2.600                     +0.200',
        'AdamW, 10% warmup   median             2.300                     +0.000',
      ].join('\n'),
    );
  });

  it('has no gap where AdamW with warmup was not run, and no medians of one seed', () => {
    expect(resultRows([run(names[2], 1, 2.2)])).toEqual([
      { name: names[2], seed: 1, validationLoss: 2.2, gap: undefined },
    ]);
  });
});
