import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // The CommonJS main of tfjs-core registers no gradients; the union package registers them on
    // that same copy.
    setupFiles: ['test/setup.ts'],
    coverage: {
      include: ['src/**/*.ts'],
      reporter: [['text', { skipFull: true }], 'html'],
      // Without WebGPU its executor is not reached.
      thresholds:
        process.env.TFJS_WARMUP_SKIP_WEBGPU === '1'
          ? undefined
          : { lines: 98, statements: 98, functions: 98, branches: 95 },
    },
  },
});
