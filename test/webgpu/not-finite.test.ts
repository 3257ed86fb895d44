/** Gradients with NaN, infinities and numbers whose squares overflow, on webgpu. */
import { describe } from 'vitest';
import { clipped, weightsAfter } from '../support/not-finite.js';
import { testNotFinite } from '../support/not-finite-tests.js';
import { describeWebGPU } from './support/vitest.js';

describeWebGPU('numbers that are not finite', () => {
  describe.each(['auto', 'ops'] as const)('executor %s', (executor) => {
    testNotFinite({
      weightsAfter: (name, wrong) => weightsAfter(name, wrong, executor),
      clipped: (gradients) => clipped(gradients, executor),
    });
  });
});
