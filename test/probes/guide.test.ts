/** Runs the code of the guide to probes, and reads the page that draws with tfjs-vis. */
import { existsSync } from 'node:fs';
import * as Plot from '@observablehq/plot';
import * as tf from '@tensorflow/tfjs';
import * as core from '@tensorflow/tfjs-core';
import { transformSync } from 'esbuild';
import * as linkedom from 'linkedom';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as optimizers from '../../src/optimizers/index.js';
import * as probes from '../../src/probes/index.js';
import { metricNames } from '../../src/probes/metrics.js';
import { useBackend } from '../support/backends.js';
import { blocksOf, read, runExample } from '../support/examples.js';
import { backends } from './support.js';

const modules = {
  '@tensorflow/tfjs-core': core,
  '@tensorflow/tfjs-layers': tf,
  '@observablehq/plot': Plot,
  linkedom,
  'tfjs-warmup/optimizers': optimizers,
  'tfjs-warmup/probes': probes,
};

describe('docs/probes.md', () => {
  const [network, ...examples] = blocksOf('docs/probes.md');

  describe.each(backends)('on %s', (backend) => {
    beforeEach(() => useBackend(backend));
    afterEach(() => tf.disposeVariables());
    test.each(examples.map((code) => [code]))('%s', async (code) => {
      expect(await runExample(`${network}\n{\n${code}\n}`, modules)).toBeGreaterThan(0);
    });
  });

  const functions = Object.entries(probes)
    .filter(([, value]) => typeof value === 'function')
    .map(([name]) => name);

  test('names every probe, and every metric with its formula', () => {
    const guide = read('docs/probes.md');
    for (const name of functions) expect(guide, name).toContain(`\`${name}`);
    for (const metric of metricNames) expect(guide, metric).toContain(`| \`${metric}\` |`);
  });

  test('has an example of every probe and every metric', () => {
    const code = examples.join('\n');
    for (const name of functions) expect(code, name).toMatch(new RegExp(`\\b${name}\\(`));
    for (const metric of metricNames) expect(code, metric).toContain(`'${metric}'`);
  });
});

describe('docs/examples/probe-tfjs-vis.html', () => {
  const { document } = linkedom.parseHTML(read('docs/examples/probe-tfjs-vis.html'));
  const script = document.querySelector('script[type="module"]')!.textContent!;
  const { imports } = JSON.parse(
    document.querySelector('script[type="importmap"]')!.textContent!,
  ) as { imports: Record<string, string> };
  const imported = [...script.matchAll(/^ *import (?:(.*) from )?'(.*)';$/gm)].map(
    ([, names = '', from]) => ({ from, names: names.match(/\{ (.*) \}/)?.[1].split(', ') ?? [] }),
  );

  test('its script parses, and imports what the map has', () => {
    expect(() => transformSync(script, { format: 'esm', target: 'es2022' })).not.toThrow();
    expect(imported.length).toBe((script.match(/\bimport\b/g) ?? []).length);
    for (const { from } of imported) expect(Object.keys(imports)).toContain(from);
  });

  test('it uses names that the packages export', () => {
    const exported: Record<string, object> = {
      'tfjs-warmup/optimizers': optimizers,
      'tfjs-warmup/probes': probes,
    };
    const own = imported.filter(({ from }) => from.startsWith('tfjs-warmup'));
    expect(own.map(({ names }) => names)).toEqual([['AdamW'], ['ProbeRecorder', 'UpdateProbe']]);
    for (const { from, names } of own)
      for (const name of names) expect(exported[from], name).toHaveProperty(name);
    const used = [...script.matchAll(/\btf\.(\w+)/g)].map(([, name]) => name);
    expect(used).toContain('sequential');
    for (const name of used) expect(tf, name).toHaveProperty(name);
  });

  test('its addresses have the versions that this package has and is tested with', () => {
    const { version, devDependencies } = JSON.parse(read('package.json')) as {
      version: string;
      devDependencies: Record<string, string>;
    };
    for (const [name, address] of Object.entries(imports)) {
      if (name.startsWith('tfjs-warmup')) {
        const [, part] = /^tfjs-warmup\/(\w+)$/.exec(name)!;
        expect(address).toBe(
          `https://cdn.jsdelivr.net/npm/tfjs-warmup@${version}/dist/esm/${part}/index.js`,
        );
      } else if (name !== '@tensorflow/tfjs-vis') {
        const [, tfjs, file] =
          /^https:\/\/cdn\.jsdelivr\.net\/npm\/@tensorflow\/tfjs@([^/]*)\/(.*)$/.exec(address)!;
        expect(tfjs).toBe(devDependencies['@tensorflow/tfjs']);
        expect(
          existsSync(new URL(`../../node_modules/@tensorflow/tfjs/${file}`, import.meta.url)),
        ).toBe(true);
      }
    }
    // Two copies would be two engines.
    expect(imports['@tensorflow/tfjs-core']).toBe(imports['@tensorflow/tfjs']);
  });
});
