/** `describe` for tests that need WebGPU in Node. */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { startWebGPU, stopWebGPU, throwIfErrors } from './dawn';

/**
 * TFJS_WARMUP_SKIP_WEBGPU=1 skips what needs WebGPU, in Node and in the browser, on machines where
 * it cannot run.
 */
export const skipWebGPU = process.env.TFJS_WARMUP_SKIP_WEBGPU === '1';

/**
 * Starts the backend first; every test in it fails if the GPU reports an error that nothing has
 * caught.
 */
export function describeWebGPU(name: string, body: () => void): void {
  describe.skipIf(skipWebGPU)(name, () => {
    beforeAll(async () => {
      await startWebGPU();
    }, 120_000);
    afterEach(throwIfErrors, 120_000);
    afterAll(stopWebGPU);
    body();
  });
}
