import type { ScheduleOf } from './schedule.js';
import { cosine } from './shapes.js';
import { warmup, type WarmupOptions, type WarmupSpec } from './warmup.js';

/** {@link cosineWarmup} as plain JSON. */
export type CosineWarmupSpec = WarmupSpec<'cosineWarmup'>;

/**
 * A rise to `peak` over `warmupSteps` steps along half a cosine wave, gentle at both ends, then
 * `peak` for good.
 *
 * from + (peak - from) (1 - cos(pi x)) / 2 with x = min(1, (t + 1) / warmupSteps).
 *
 * @param options - See {@link WarmupOptions}.
 * @returns The schedule; its `spec` has the defaults written out.
 * @throws {Error} if an option is unknown or out of range, or, when called, if the step is not a
 * whole number of at least 0.
 * @see {@link https://github.com/huggingface/transformers/blob/main/src/transformers/optimization.py |
 * Hugging Face transformers, optimization.py, warmup type "cosine"}
 * @example
 * import { cosineWarmup } from 'tfjs-warmup/schedules';
 *
 * const rate = cosineWarmup({ peak: 1, warmupSteps: 4 });
 * [0, 1, 2, 3].map((step) => rate(step).toFixed(3)); // ['0.146', '0.500', '0.854', '1.000']
 */
export const cosineWarmup: (options: WarmupOptions) => ScheduleOf<CosineWarmupSpec> =
  /* @__PURE__ */ warmup('cosineWarmup', cosine);
