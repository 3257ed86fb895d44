/**
 * What an import weighs in a bundle, tfjs left out: one optimizer by its parts, each row with all
 * above it.
 */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const compiler = ["export * from './compiler/program'", "export * from './compiler/rule'"];
const ops = [...compiler, "export { OpsExecutor } from './executors/ops'"];
const wasm = [
  ...ops,
  "export { WasmExecutor } from './executors/wasm'",
  "export * from './executors/wasm-backend-heap'",
  "export * from './executors/wasm-private-heap'",
];

const tenOptimizers = [
  'AdamW',
  'GIAdam',
  'RAdam',
  'SGDMomentum',
  'Lion',
  'LionA',
  'LionAR',
  'RotationalAdamW',
  'RotationalSGDM',
  'RotationalLion',
];

const imports: readonly (readonly [name: string, code: readonly string[]])[] = [
  ['rules and plans', compiler],
  ['+ printer and executor for tfjs operations', ops],
  ['+ printer and executor for WebAssembly', wasm],
  [
    '+ printer and executor for WebGPU',
    [...wasm, "export { chooseExecutor } from './executors/choose'"],
  ],
  ['+ base of all optimizers', ["export { FusedOptimizer } from './optimizers/optimizer'"]],
  ['AdamW', ["export { AdamW } from './optimizers/index'"]],
  ['LionAR', ["export { LionAR } from './optimizers/index'"]],
  ['the ten optimizers', [`export { ${tenOptimizers.join(', ')} } from './optimizers/index'`]],
  ['linearWarmup', ["export { linearWarmup } from './schedules/index'"]],
];

const resolveDir = fileURLToPath(new URL('../../src', import.meta.url));

async function bundle(code: readonly string[]): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: code.join('\n'), resolveDir, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    external: ['@tensorflow/*'],
  });
  return outputFiles[0].contents;
}

console.log(`${''.padEnd(46)}minified      gzip`);
for (const [name, code] of imports) {
  const bytes = await bundle(code);
  const compressed = gzipSync(bytes, { level: 9 });
  const sizes = `${bytes.length}`.padStart(8) + `${compressed.length}`.padStart(10);
  console.log(name.padEnd(46) + sizes);
}
