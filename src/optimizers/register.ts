import { serialization } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import type { Rule } from '../compiler/rule.js';
import { parseOptions } from '../schema.js';
import {
  makers,
  registerSchedule,
  scheduleFrom,
  type ScheduleMaker,
  type ScheduleSpec,
} from '../schedules/spec.js';
import { AdamW } from './adamw.js';
import { GIAdam } from './gi-adam.js';
import { LionA } from './lion-a.js';
import { LionAR } from './lion-ar.js';
import { Lion } from './lion.js';
import { RAdam } from './radam.js';
import { RotationalAdamW } from './rotational-adamw.js';
import { RotationalLion } from './rotational-lion.js';
import { RotationalSGDM } from './rotational-sgdm.js';
import { isRRCSpec, rrcFrom } from './make-rrc.js';
import { isRule, registerRule, RuleOptimizer } from './rule-optimizer.js';
import { setReviver } from './config.js';
import { SGDMomentum } from './sgd-momentum.js';

/** All optimizers: the one list of them. */
export const optimizers = [
  AdamW,
  GIAdam,
  RAdam,
  SGDMomentum,
  Lion,
  LionA,
  LionAR,
  RotationalAdamW,
  RotationalSGDM,
  RotationalLion,
  RuleOptimizer,
] as const;

/** Where classes are registered by name: the `serialization` of a copy of tfjs. */
export type ClassRegistry = Pick<typeof serialization, 'registerClass'>;

/** Options of {@link registerOptimizers}. */
export type RegisterOptimizersOptions = {
  /**
   * Rules of your own that saved models use.
   * @defaultValue []
   */
  readonly rules?: readonly Rule[];
  /**
   * Kinds of schedule of your own that saved models use: by `spec.kind`, what makes the schedule
   * from its spec.
   * @defaultValue {}
   */
  readonly schedules?: Readonly<Record<string, ScheduleMaker>>;
  /**
   * `tf.serialization` of the tfjs whose `loadLayersModel` is to know the optimizers, for a page
   * with two copies of tfjs.
   * @defaultValue that of the tfjs which this library imports
   */
  readonly serialization?: ClassRegistry;
};

const label = 'registerOptimizers';

/** Throws unless a kind of schedule can be saved, and has something that makes it. */
function checkSchedule(kind: string, maker: unknown): void {
  // Loading a model rewrites names with underscores.
  const isNew = /^[a-zA-Z][a-zA-Z0-9]*$/.test(kind) && !(kind in makers) && kind !== 'rrc';
  const allowed = 'be named by a new kind, in letters and digits';
  check(isNew, label, 'schedules', allowed, kind);
  check(
    typeof maker === 'function',
    label,
    `schedules.${kind}`,
    'be a function that makes a schedule from its spec',
    maker,
  );
}

const schema = {
  rules: {
    default: [],
    allowed: 'be a list of rules, each of which defineRule gave',
    accepts: (rules: unknown) => Array.isArray(rules) && rules.every(isRule),
  },
  schedules: {
    default: {},
    allowed: 'be an object of functions by kind',
    accepts: (schedules: unknown) => typeof schedules === 'object' && schedules !== null,
  },
  serialization: {
    default: serialization,
    allowed: 'be the tf.serialization of a tfjs',
    accepts: (registry: unknown) =>
      typeof (registry as ClassRegistry | null)?.registerClass === 'function',
  },
};

/**
 * Makes all optimizers known to `tf.loadLayersModel`, with the schedules, corrections and rules
 * that were saved in them.
 *
 * Call it once before loading; training and saving do not need it. Without it `loadLayersModel`
 * says "Unknown layer" of an optimizer. With two copies of tfjs on a page call it for the one that
 * loads: `registerOptimizers({ serialization: tf.serialization })`.
 *
 * @param options - See {@link RegisterOptimizersOptions}.
 * @throws {Error} if an option is unknown, or a rule, a schedule or the registry is not one, before
 * anything is registered.
 * @example
 * import { AdamW, registerOptimizers } from 'tfjs-warmup/optimizers';
 * import { linearWarmup } from 'tfjs-warmup/schedules';
 *
 * const learningRate = linearWarmup({ peak: 0.5, warmupSteps: 2 });
 * const config = new AdamW({ learningRate }).getConfig();
 * // Without it the schedule, which was saved as plain JSON, could not be made again.
 * registerOptimizers();
 * AdamW.fromConfig<AdamW>(AdamW, config).currentLearningRate; // 0.25
 *
 * // A schedule of your own is saved by its spec, and comes back by its kind.
 * const halving = ({ every }) =>
 *   Object.assign((step) => 0.5 ** Math.floor(step / every), { spec: { kind: 'halving', every } });
 * registerOptimizers({ schedules: { halving } });
 * const saved = new AdamW({ learningRate: halving({ every: 10 }) }).getConfig();
 * AdamW.fromConfig<AdamW>(AdamW, saved).learningRate(10); // 0.5
 */
export function registerOptimizers(options: RegisterOptimizersOptions = {}): void {
  const parsed = parseOptions(label, schema, options) as Required<RegisterOptimizersOptions>;
  const { rules, schedules, serialization: registry } = parsed;
  for (const [kind, maker] of Object.entries(schedules)) checkSchedule(kind, maker);

  for (const optimizer of optimizers)
    registry.registerClass(
      optimizer as unknown as serialization.SerializableConstructor<serialization.Serializable>,
    );
  rules.forEach(registerRule);
  for (const [kind, maker] of Object.entries(schedules)) registerSchedule(kind, maker);
  setReviver((spec) => (isRRCSpec(spec) ? rrcFrom(spec) : scheduleFrom(spec as ScheduleSpec)));
}
