/** Compiles native.c, where there is a C compiler. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type NativeProgram = { readonly file: string; readonly compiler: string };

// Without errno, sqrtf is one vector instruction; the results are the same. The last lets marked
// loops sum in any order.
const flags = ['-O3', '-march=native', '-fno-math-errno', '-fopenmp-simd'];
const source = fileURLToPath(new URL('native.c', import.meta.url));

/** The program, which is removed when this process exits; undefined where no compiler is found. */
export function compileNative(): NativeProgram | undefined {
  const compiler = ['cc', 'gcc', 'clang'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  );
  if (!compiler) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'step-cost-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'native');
  const { status, stderr } = spawnSync(compiler, [...flags, source, '-o', file, '-lm'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`bench: ${compiler} cannot compile native.c\n${stderr}`);
  const [version] = spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout.split('\n');
  return { file, compiler: `${version} ${flags.join(' ')}` };
}
