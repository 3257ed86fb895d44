import type { ScheduleOf } from './schedule.js';
import { warmup, type WarmupOptions, type WarmupSpec } from './warmup.js';

/** {@link linearWarmup} as plain JSON. */
export type LinearWarmupSpec = WarmupSpec<'linearWarmup'>;

/**
 * A straight rise to `peak` over `warmupSteps` steps, then `peak` for good.
 *
 * from + (peak - from) min(1, (t + 1) / warmupSteps): step 0 already trains, step warmupSteps - 1
 * is exactly `peak`.
 *
 * @param options - See {@link WarmupOptions}.
 * @returns The schedule; its `spec` has the defaults written out.
 * @throws {Error} if an option is unknown or out of range, or, when called, if the step is not a
 * whole number of at least 0.
 * @see {@link https://arxiv.org/abs/2406.09405 | Kalra and Barkeshli, Why warmup the learning
 * rate?, Eq. 7}
 * @example
 * import { linearWarmup } from 'tfjs-warmup/schedules';
 *
 * const rate = linearWarmup({ peak: 1, warmupSteps: 4 });
 * [0, 1, 2, 3, 4].map(rate); // [0.25, 0.5, 0.75, 1, 1]
 */
export const linearWarmup: (options: WarmupOptions) => ScheduleOf<LinearWarmupSpec> =
  /* @__PURE__ */ warmup('linearWarmup', (x) => x);
