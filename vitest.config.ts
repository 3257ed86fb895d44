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
  },
});
