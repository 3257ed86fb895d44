import { check, checkNames, checkNumber, refuse } from '../check.js';
import { checkTotalSteps, phases, stepsOf } from './phases.js';
import { checkAmount, schedule, type ScheduleOf } from './schedule.js';
import { readShape, type CooldownShape, type WarmupShape } from './shape-names.js';

export type WsdCommon = {
  /** The value between warmup and cooldown, at least 0. */
  peak: number;
  /** The first step at which the floor is reached, at least 1. */
  totalSteps: number;
  /** Length of the warmup in steps; 0 and 1 mean none. */
  warmupSteps: number;
};
export type WsdShapes = {
  /**
   * Shape of the cooldown.
   * @defaultValue 'linear'
   */
  cooldown?: CooldownShape;
  /**
   * Shape of the warmup.
   * @defaultValue 'linear'
   */
  warmup?: WarmupShape;
  /**
   * The value from totalSteps on, in [0, peak].
   * @defaultValue 0
   */
  floor?: number;
};
export type WsdCooldown =
  | {
      /** Length of the cooldown in steps. */
      cooldownSteps: number;
    }
  | {
      /** Length of the cooldown as a part of totalSteps, in [0, 1]; its whole steps count. */
      cooldownFraction: number;
    };

/** Options of {@link wsd}. */
export type WsdOptions = WsdCommon & WsdShapes & WsdCooldown;

/** {@link wsd} as plain JSON. */
export type WsdSpec = { kind: 'wsd' } & WsdCommon & Required<WsdShapes> & WsdCooldown;

const kind = 'wsd';

/**
 * Warmup, stable, decay: a warmup to `peak`, a plateau, and a cooldown to `floor`, which it keeps
 * from `totalSteps` on.
 *
 * With T_w, T_d the steps of warmup and cooldown, u and f their shapes: peak u((t + 1) / T_w) for
 * t < T_w; then peak; floor + (peak - floor) f((t - (totalSteps - T_d)) / T_d) in the last T_d
 * steps, the first of which is still `peak`; then floor.
 *
 * @param options - See {@link WsdOptions}, with exactly one of `cooldownSteps` and
 * `cooldownFraction`; for the shapes, {@link CooldownShape} and {@link WarmupShape}.
 * @returns The schedule; its `spec` has the defaults written out.
 * @throws {Error} if an option is unknown, missing or out of range, if warmup and cooldown together
 * are longer than totalSteps, or, when called, if the step is not a whole number of at least 0.
 * @see {@link https://arxiv.org/abs/2405.18392 | Hägele et al., Scaling laws and compute-optimal
 * training beyond fixed training durations, Eq. 1 and appendix B.1}: `'oneMinusSqrt'` does best
 * @see {@link https://arxiv.org/abs/2508.01483 | Dremov et al., Training dynamics of the cooldown
 * stage in warmup-stable-decay learning rate scheduler} on the shapes
 * @example
 * import { wsd } from 'tfjs-warmup/schedules';
 *
 * const options = { peak: 1, totalSteps: 10, warmupSteps: 2, cooldownSteps: 4 };
 * const rate = wsd({ ...options, cooldown: 'oneMinusSqrt' });
 * [0, 6, 7, 10].map((step) => rate(step).toFixed(2)); // ['0.50', '1.00', '0.50', '0.00']
 */
export function wsd(options: WsdOptions): ScheduleOf<WsdSpec> {
  checkNames(kind, options, [
    'peak',
    'totalSteps',
    'warmupSteps',
    'cooldownSteps',
    'cooldownFraction',
    'cooldown',
    'warmup',
    'floor',
  ]);
  const {
    peak,
    totalSteps,
    warmupSteps,
    cooldownSteps: steps,
    cooldownFraction: fraction,
    cooldown = 'linear',
    warmup = 'linear',
    floor = 0,
  } = options as WsdCommon & WsdShapes & { cooldownSteps?: number; cooldownFraction?: number };
  checkAmount(kind, 'peak', peak);
  checkTotalSteps(kind, totalSteps);
  checkAmount(kind, 'warmupSteps', warmupSteps, 1);
  checkAmount(kind, 'floor', floor, 0, peak);
  check(
    (steps === undefined) !== (fraction === undefined),
    kind,
    'cooldownSteps or cooldownFraction',
    'be given, and not both',
    [steps, fraction],
  );
  if (fraction === undefined) checkAmount(kind, 'cooldownSteps', steps, 1);
  else checkNumber(kind, 'cooldownFraction', fraction, '[0, 1]');
  const cooldownSteps = steps ?? stepsOf(fraction!, totalSteps);
  if (warmupSteps + cooldownSteps > totalSteps) {
    const lengths = `${warmupSteps} + ${cooldownSteps}`;
    refuse(kind, 'warmup and cooldown', `fit into totalSteps, ${totalSteps}`, lengths);
  }
  const rise = readShape(kind, 'warmup', warmup, 'in', [0, peak]);
  const fall = readShape(kind, 'cooldown', cooldown, 'out', [floor, peak]);
  const length = fraction === undefined ? { cooldownSteps } : { cooldownFraction: fraction };
  const shapes = { cooldown: fall.plain, warmup: rise.plain };
  return schedule(
    { kind, peak, totalSteps, warmupSteps, ...length, ...shapes, floor } as WsdSpec,
    phases({ peak, floor, warmupSteps, cooldownSteps, totalSteps }, rise.unit, fall.unit),
  );
}
