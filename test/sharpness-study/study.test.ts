import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { experiments, nameOf } from '../../bench/sharpness-study/experiments.js';
import { parseOptions } from '../../bench/sharpness-study/options.js';
import { writeReport } from '../../bench/sharpness-study/report.js';
import { runStudy, type Study } from '../../bench/sharpness-study/study.js';
import { cells, header } from '../../bench/sharpness-study/table.js';
import { showProgress } from '../../bench/support/progress.js';
import { useBackend } from '../../bench/support/backend.js';
import { ProbeRecorder, type RecordedRun } from '../../src/probes/index.js';

describe('every experiment, small', () => {
  let folder: string;
  let study: Study;
  let leaked: number;
  const log: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sharpness-'));
    await useBackend('wasm');
    const settings = parseOptions([
      '--steps',
      '20',
      '--every',
      '8',
      '--samples',
      '40',
      '--width',
      '16',
      '--report',
      folder,
    ])!;
    const progress = showProgress({ runs: experiments.length, steps: 20 }, {
      isTTY: false,
      write: (line: string) => log.push(line),
    } as unknown as NodeJS.WriteStream);
    const before = tf.memory().numTensors;
    study = await runStudy(settings, progress);
    leaked = tf.memory().numTensors - before;
    await writeReport(study, folder);
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('starts at the rate c / lambda_0, or climbs to it, and measures the sharpness on the steps asked for', () => {
    for (const { c, warmupSteps, initialSharpness, peakRate, recorder, divergedAt } of study.runs) {
      expect(peakRate).toBeCloseTo(c / initialSharpness, 12);
      expect(recorder.series('learningRate')[0].y).toBeCloseTo(
        peakRate / Math.max(1, warmupSteps),
        12,
      );
      expect(recorder.series('sharpness')[0]).toEqual({ x: 0, y: initialSharpness });
      expect(recorder.steps).toHaveLength(divergedAt === undefined ? 20 : divergedAt + 1);
      expect(recorder.series('sharpness').map(({ x }) => x)).toEqual(
        [0, 8, 16].filter((step) => step < recorder.steps.length),
      );
    }
    expect(leaked).toBe(0);
  });

  it('tells the progress of the steps that are left, also after runs that end early', () => {
    expect(study.runs.some(({ divergedAt }) => divergedAt !== undefined)).toBe(true);
    expect(log.at(-1)).toMatch(/^muP-like c=16, warmup 200: step 20 of 20, .* 0s left\n$/);
  });

  it('writes every run to sharpness.json, whose recorders can be read again', async () => {
    const { config, runs } = JSON.parse(await readFile(join(folder, 'sharpness.json'), 'utf8')) as {
      config: object;
      runs: { name: string; recorder: RecordedRun }[];
    };
    expect(config).toEqual({
      seed: 1,
      steps: 20,
      every: 8,
      samples: 40,
      width: 16,
      backend: 'wasm',
    });
    expect(runs.map(({ name }) => name)).toEqual(experiments.map(nameOf));
    runs.forEach(({ recorder }, i) =>
      expect(ProbeRecorder.fromJSON(recorder).steps).toEqual(study.runs[i].recorder.steps),
    );
  });

  it('draws the loss and the sharpness of every run in sharpness.html, below a table', async () => {
    const html = await readFile(join(folder, 'sharpness.html'), 'utf8');
    for (const name of experiments.map(nameOf)) expect(html).toContain(`<h2>${name}</h2>`);
    expect(html.match(/<svg /g)).toHaveLength(2 * experiments.length);
    expect(html).not.toMatch(/NaN|undefined/);
    for (const run of study.runs) {
      expect(cells(run)).toHaveLength(header.length);
      for (const cell of cells(run)) expect(html).toContain(`<td>${cell}</td>`);
    }
  });
});

describe('at c = 16, of the size that the command runs', () => {
  const run = async (warmupSteps: number) => {
    const chosen = [{ parametrization: 'SP', c: 16, warmupSteps }] as const;
    const { runs } = await runStudy(
      parseOptions(['--every', '10'])!,
      { step: () => {}, skip: () => {} },
      chosen,
    );
    return runs[0];
  };

  it('diverges at once without a warmup', async () => {
    expect((await run(0)).divergedAt).toBeLessThan(10);
  });

  it('crosses 2 / eta, is catapulted to flatter weights, and settles at the edge of stability', async () => {
    const { divergedAt, crossedAt, catapult, initialSharpness, lateSharpness, lateThreshold } =
      await run(64);
    expect(divergedAt).toBeUndefined();
    expect(crossedAt).toBeLessThan(30);
    expect(catapult!.step).toBeGreaterThan(crossedAt!);
    expect(catapult!.step).toBeLessThan(64);
    expect(catapult!.peak / catapult!.before).toBeGreaterThan(2);
    expect(lateSharpness).toBeLessThan(initialSharpness / 4);
    expect(Math.abs(lateSharpness / lateThreshold - 1)).toBeLessThan(0.05);
  });
});
