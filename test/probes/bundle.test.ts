/** Who trains without a probe or a correction carries none. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import * as optimizers from '../../src/optimizers/index.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The files of which something is in the bundle. */
async function filesIn(names: string, from: string): Promise<string[]> {
  const { metafile } = await build({
    stdin: { contents: `export { ${names} } from './src/${from}/index.js'`, resolveDir: root },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    metafile: true,
    external: ['@tensorflow/*'],
    logLevel: 'error',
  });
  return Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) =>
      bytesInOutput > 0 ? [file] : [],
    ),
  );
}

test('no bundle of optimizers has a file of the probes', async () => {
  const files = await filesIn(Object.keys(optimizers).join(', '), 'optimizers');
  expect(files).toContain('src/optimizers/adamw.ts');
  expect(files.filter((file) => file.startsWith('src/probes/'))).toEqual([]);
});

test.each(['AdamW', 'LionA', 'LionAR'])(
  '%s does not bring the correction that it may be given',
  async (name) => {
    expect(
      (await filesIn(name, 'optimizers')).filter((file) => /rrc|noise-share/.test(file)),
    ).toEqual([]);
    expect(await filesIn(`${name}, rrc`, 'optimizers')).toContain('src/rules/rrc.ts');
  },
);

test('the update probe brings neither the stand-alone probes nor an optimizer', async () => {
  const files = await filesIn('UpdateProbe', 'probes');
  expect(files).toContain('src/probes/metrics.ts');
  expect(
    files.filter((file) =>
      /sharpness|recorder|representation|src\/optimizers|src\/executors/.test(file),
    ),
  ).toEqual([]);
});
