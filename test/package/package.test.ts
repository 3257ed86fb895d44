/**
 * The tarball that npm would publish: it installs, works by import and by require, has sound types,
 * and stays small.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createPackageFromTarballData, checkPackage } from '@arethetypeswrong/core';
import { build } from 'esbuild';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installTarball, type Project } from './tarball.js';

let project: Project;
beforeAll(() => {
  project = installTarball();
}, 120_000);
afterAll(() => project.remove());

const run = (file: string, code: string): string => {
  writeFileSync(join(project.folder, file), code);
  return execFileSync('node', [file], { cwd: project.folder, encoding: 'utf8' }).trim();
};

type SourceMap = { readonly sources: readonly string[] };

const training = `
  const tf = core;
  const v = tf.variable(tf.tensor([1, 2, 3]));
  const optimizer = new AdamW({ learningRate: linearWarmup({ peak: 0.1, warmupSteps: 2 }) });
  optimizer.applyGradients({ [v.name]: tf.tensor([1, -1, 2]) });
  const values = [...v.dataSync()].map((x) => x.toFixed(3)).join();
  const same = typeof all.AdamW === typeof AdamW;
  console.log(values, optimizer.executorName, typeof defineRule, same);`;

describe('the installed package', () => {
  test('trains when it is imported', () => {
    const code = `
import '@tensorflow/tfjs';
import * as core from '@tensorflow/tfjs-core';
import * as all from 'tfjs-warmup';
import { linearWarmup } from 'tfjs-warmup/schedules';
import { AdamW } from 'tfjs-warmup/optimizers';
import { defineRule } from 'tfjs-warmup/rules';
${training}`;
    expect(run('use.mjs', code).split('\n').at(-1)).toBe('0.950,2.050,2.950 wasm function true');
  });

  test('trains when it is required', () => {
    const code = `
require('@tensorflow/tfjs');
const core = require('@tensorflow/tfjs-core');
const all = require('tfjs-warmup');
const { linearWarmup } = require('tfjs-warmup/schedules');
const { AdamW } = require('tfjs-warmup/optimizers');
const { defineRule } = require('tfjs-warmup/rules');
${training}`;
    expect(run('use.cjs', code).split('\n').at(-1)).toBe('0.950,2.050,2.950 wasm function true');
  });

  test('has an exports map without faults', async () => {
    const { messages } = await publint({
      pkgDir: join(project.folder, 'node_modules/tfjs-warmup'),
    });
    expect(messages).toEqual([]);
  });

  test('brings the source behind every file', () => {
    const dist = join(project.folder, 'node_modules/tfjs-warmup/dist');
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' });
    const code = files.filter((name) => /\.(js|d\.ts)$/.test(name));
    const sources = code.flatMap((name) => {
      const file = join(dist, name);
      const [, map] = /^\/\/# sourceMappingURL=(.*)$/m.exec(readFileSync(file, 'utf8'))!;
      const read = JSON.parse(readFileSync(join(dirname(file), map), 'utf8')) as SourceMap;
      return read.sources.map((source) => join(dirname(file), source));
    });
    // A file that only re-exports has an empty map.
    expect(new Set(sources).size).toBeGreaterThan(100);
    expect(sources.filter((source) => !existsSync(source))).toEqual([]);
  });

  test('has sound types for import and for require', async () => {
    const result = await checkPackage(createPackageFromTarballData(readFileSync(project.tarball)));
    // The profile node16: Node 10 knows no exports map.
    const problems = result.types
      ? result.problems.filter(
          (problem) => !('resolutionKind' in problem) || problem.resolutionKind !== 'node10',
        )
      : ['no types'];
    expect(problems).toEqual([]);
  });
});

/** Minified bytes of a bundle of these exports, tfjs left out. */
async function bundle(
  names: string,
  from: string,
): Promise<{ text: string; bytes: number; gzip: number; imports: string[] }> {
  const result = await build({
    stdin: {
      contents: `export { ${names} } from 'tfjs-warmup/${from}'`,
      resolveDir: project.folder,
    },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    metafile: true,
    external: ['@tensorflow/*'],
    logLevel: 'error',
  });
  const [file] = result.outputFiles;
  const imports = Object.values(result.metafile.outputs).flatMap((output) =>
    output.imports.map(({ path }) => path),
  );
  return {
    text: file.text,
    bytes: file.contents.length,
    gzip: gzipSync(file.contents, { level: 9 }).length,
    imports,
  };
}

describe('bytes', () => {
  test('one schedule is below 900 bytes and brings no tfjs', async () => {
    const { bytes, imports } = await bundle('linearWarmup', 'schedules');
    expect(imports).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(900);
  });

  test.each([
    ['AdamW', 26_000],
    ['LionAR', 27_600],
  ])('%s is at most %i bytes gzip, all three printers included', async (name, most) => {
    const { gzip, text } = await bundle(name, 'optimizers');
    // Schedules come back through a hook, probes by their own import.
    for (const part of ['trapezoid', 'angularUpdate', 'sharpness'])
      expect(text).not.toContain(part);
    expect(gzip).toBeLessThanOrEqual(most);
  });
});
