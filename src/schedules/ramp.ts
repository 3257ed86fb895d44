import { checkNames, refuse } from '../check.js';
import { lerp } from './lerp.js';
import { checkAmount, schedule, type ScheduleOf } from './schedule.js';
import { readShape, type CooldownShape, type WarmupShape } from './shape-names.js';

/** Options of {@link ramp}. */
export type RampOptions = {
  /** The value before the ramp, at least 0. */
  from: number;
  /** The value after the ramp, at least 0, above or below `from`. */
  to: number;
  /** Length of the ramp in steps; 0 means `to` at once. */
  steps: number;
} & (
  | {
      /** Shape of the way from `from` to `to`. */
      shape: WarmupShape;
      /** `'in'`: counts like a warmup. Step 0 has left `from`, step steps - 1 is `to`. */
      phase: 'in';
    }
  | {
      /** Shape of the way from `from` to `to`. */
      shape: CooldownShape;
      /**
       * `'out'`: counts like a cooldown. Step 0 is `from`, step `steps` is the first that is `to`.
       */
      phase: 'out';
    }
);

/** {@link ramp} as plain JSON. */
export type RampSpec = { kind: 'ramp' } & RampOptions;

const kind = 'ramp';

/**
 * From one value to another along a named shape u, then the second value for good.
 *
 * Phase `'in'`: from + (to - from) u((t + 1) / steps). Phase `'out'`, the same curve played
 * backwards: to + (from - to) u(1 - t / steps).
 *
 * @param options - See {@link RampOptions}, {@link WarmupShape} and {@link CooldownShape}.
 * @returns The schedule.
 * @throws {Error} if an option is unknown, missing or out of range, or, when called, if the step is
 * not a whole number of at least 0.
 * @see {@link https://arxiv.org/abs/2405.18392 | Hägele et al., Scaling laws and compute-optimal
 * training beyond fixed training durations, section 3} for the cooldown shapes
 * @see {@link https://github.com/huggingface/transformers/blob/main/src/transformers/optimization.py |
 * Hugging Face transformers, optimization.py} for the warmup shapes
 * @example
 * import { ramp } from 'tfjs-warmup/schedules';
 *
 * const up = ramp({ from: 0, to: 1, steps: 4, shape: 'squareOfRemaining', phase: 'in' });
 * [0, 1, 2, 3, 4].map(up); // [0.0625, 0.25, 0.5625, 1, 1]
 *
 * const down = ramp({ from: 1, to: 0, steps: 4, shape: 'squareOfRemaining', phase: 'out' });
 * [0, 1, 2, 3, 4].map(down); // [1, 0.5625, 0.25, 0.0625, 0]
 */
export function ramp(options: RampOptions): ScheduleOf<RampSpec> {
  checkNames(kind, options, ['from', 'to', 'steps', 'shape', 'phase']);
  const { from, to, steps, shape, phase } = options;
  checkAmount(kind, 'from', from);
  checkAmount(kind, 'to', to);
  checkAmount(kind, 'steps', steps, 1);
  if (phase !== 'in' && phase !== 'out') refuse(kind, 'phase', "be 'in' or 'out'", phase);
  const ends = phase === 'in' ? ([from, to] as const) : ([to, from] as const);
  const { plain, unit } = readShape(kind, 'shape', shape, phase, ends);
  return schedule(
    { kind, from, to, steps, shape: plain, phase } as RampSpec,
    phase === 'in'
      ? (step) => (step + 1 < steps ? lerp(from, to, unit((step + 1) / steps)) : to)
      : (step) => (step < steps ? lerp(to, from, unit((steps - step) / steps)) : to),
  );
}
