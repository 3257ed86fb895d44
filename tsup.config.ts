import { defineConfig, type Options } from 'tsup';

// One output file per module: tfjs-core declares side effects, so a bundled file would keep it
// alive in every import.
const perModule: Options = {
  entry: ['src/**/*.ts'],
  bundle: false,
  target: 'es2022',
  sourcemap: true,
  esbuildOptions(options) {
    // The package holds src, to which the maps point.
    options.sourcesContent = false;
  },
};

export default defineConfig([
  { ...perModule, format: 'esm', outDir: 'dist/esm' },
  { ...perModule, format: 'cjs', outDir: 'dist/cjs', outExtension: () => ({ js: '.js' }) },
]);
