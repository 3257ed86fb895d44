import type { Schedule } from './schedule.js';
import { warmup, type WarmupOptions } from './warmup.js';

/** {@link linearWarmup} as plain JSON. */
export type LinearWarmupSpec = { kind: 'linearWarmup' } & Required<WarmupOptions>;

/**
 * A straight rise to `peak` over `warmupSteps` steps, then `peak` for good.
 *
 * from + (peak - from) min(1, (t + 1) / warmupSteps): step 0 already trains, step warmupSteps - 1
 * is exactly `peak`.
 *
 * @param options `peak`: at least 0. `warmupSteps`: in steps, 0 means no warmup. `from`: in [0,
 * peak], 0 unless given.
 * @throws Error if an option is unknown or out of range, or, when called, if the step is not a
 * whole number of at least 0.
 * @see 2406.09405, Eq. 7
 * @example
 * import { linearWarmup } from 'tfjs-warmup/schedules';
 *
 * const rate = linearWarmup({ peak: 1, warmupSteps: 4 });
 * [0, 1, 2, 3, 4].map(rate); // [0.25, 0.5, 0.75, 1, 1]
 */
export const linearWarmup: (options: WarmupOptions) => Schedule = /* @__PURE__ */ warmup(
  'linearWarmup',
  (x) => x,
);
