import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { allRows } from '../support/schedules.js';

async function bundled(names: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${names} } from './src/schedules/index.ts'`,
      resolveDir: new URL('../..', import.meta.url).pathname,
      loader: 'ts',
    },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  return outputFiles[0].text;
}

describe('bytes of one import', () => {
  it('linearWarmup: at most 900 minified with its checks and messages, and no other schedule in it', async () => {
    const code = await bundled('linearWarmup');
    expect(Buffer.byteLength(code)).toBeLessThanOrEqual(900);
    expect(code).toContain('be a whole number');
    expect(code).toContain('unknown option');
    expect(code).not.toMatch(
      /cosine|ramp|wsd|trapezoid|exponential|sequence|product|constant|Math\.(sin|sqrt|exp)|scheduleFrom|tensorflow/i,
    );
  });

  it.each(allRows)('$name: at most $bytes minified', async ({ name, bytes }) => {
    const code = await bundled(name);
    expect(Buffer.byteLength(code)).toBeLessThanOrEqual(bytes);
    expect(code).not.toContain('scheduleFrom');
  });

  it.each(allRows.filter(({ hasNamedShapes }) => !hasNamedShapes))(
    '$name does not carry the table of shapes',
    async ({ name }) => {
      expect(await bundled(name)).not.toMatch(/oneMinusSqrt|loweredLinear|mirrorCosine/);
    },
  );
});
