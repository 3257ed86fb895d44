/** AdamW with a probe that reads every step. */
import { AdamW } from '../../src/optimizers/index.js';
import { UpdateProbe } from '../../src/probes/index.js';
import type { Shape } from './cases.js';
import type { Running } from './subject.js';
import { startTfjs } from './tfjs.js';

export async function startProbed(
  shapes: readonly Shape[],
  learningRate: number,
): Promise<Running> {
  const probe = new UpdateProbe({ metrics: ['updateNorm', 'angularUpdate'] });
  const running = await startTfjs('wasm', shapes, () => new AdamW({ learningRate, probe }));
  return {
    ...running,
    // As in training: readings are fetched now and then, and none is left to be thrown away by a
    // step.
    afterRound: async () => {
      await probe.read();
    },
  };
}
