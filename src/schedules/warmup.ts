/** What the warmups to a lasting peak share: a rise of one fixed shape, then the peak for good. */

import { checkNames } from '../check.js';
import { checkAmount, schedule, type ScheduleOf } from './schedule.js';
import type { UnitFunction } from './shapes.js';

/** Options of {@link linearWarmup} and {@link cosineWarmup}. */
export type WarmupOptions = {
  /** The value at the end of the warmup and ever after, at least 0. */
  peak: number;
  /** Length of the warmup in steps; 0 and 1 mean none. */
  warmupSteps: number;
  /**
   * What the warmup starts from, in [0, peak]: step 0 is already one step above it.
   * @defaultValue 0
   */
  from?: number;
};

/** The options with their kind and their defaults, as plain JSON. */
export type WarmupSpec<Kind extends string> = { kind: Kind } & Required<WarmupOptions>;

/** from + (peak - from) shape((t + 1) / warmupSteps) while that progress is below 1, then peak. */
export const warmup =
  <Kind extends string>(kind: Kind, shape: UnitFunction) =>
  (options: WarmupOptions): ScheduleOf<WarmupSpec<Kind>> => {
    checkNames(kind, options, ['peak', 'warmupSteps', 'from']);
    const { peak, warmupSteps, from = 0 } = options;
    checkAmount(kind, 'peak', peak);
    checkAmount(kind, 'warmupSteps', warmupSteps, 1);
    checkAmount(kind, 'from', from, 0, peak);
    return schedule({ kind, peak, warmupSteps, from }, (step) =>
      // A shape can round to 1 before the end, and then the sum to past the peak:
      // 1.5 + (2 ** 52 + 3 - 1.5) is 2 ** 52 + 4.
      ++step < warmupSteps
        ? Math.min(peak, from + (peak - from) * shape(step / warmupSteps))
        : peak,
    );
  };
