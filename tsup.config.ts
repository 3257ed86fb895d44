import { defineConfig } from 'tsup';

// One output file per module: tfjs-core declares side effects, so a single bundled file would keep it alive in every import.
export default defineConfig({
  entry: ['src/**/*.ts'],
  format: ['esm', 'cjs'],
  target: 'es2022',
  dts: true,
  splitting: true,
  treeshake: false,
  clean: true,
  external: ['@tensorflow/tfjs-core'],
});
