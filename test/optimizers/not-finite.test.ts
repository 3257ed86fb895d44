/** Gradients with NaN, infinities and numbers whose squares overflow. */
import { beforeAll, describe } from 'vitest';
import { useBackend } from '../support/backends.js';
import { clipped, weightsAfter } from '../support/not-finite.js';
import { testNotFinite } from '../support/not-finite-tests.js';

describe.each(['wasm', 'cpu'])('%s', (backend) => {
  beforeAll(() => useBackend(backend));
  describe.each(['auto', 'ops'] as const)('executor %s', (executor) => {
    testNotFinite({
      weightsAfter: (name, wrong) => weightsAfter(name, wrong, executor),
      clipped: (gradients) => clipped(gradients, executor),
    });
  });
});
