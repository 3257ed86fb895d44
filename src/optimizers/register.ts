import { serialization } from '@tensorflow/tfjs-core';
import type { Rule } from '../compiler/rule.js';
import { parseOptions } from '../schema.js';
import { scheduleFrom, type ScheduleSpec } from '../schedules/spec.js';
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

const schema = {
  rules: {
    default: [],
    allowed: 'be a list of rules, each of which defineRule gave',
    accepts: (rules: unknown) => Array.isArray(rules) && rules.every(isRule),
  },
};

/**
 * Makes all optimizers known to `tf.loadLayersModel`, with the schedules, corrections and rules
 * that were saved in them.
 *
 * Call it once before loading; training and saving do not need it.
 *
 * @param options - `rules`: rules of your own that saved models use.
 * @throws {Error} if an option is unknown or `rules` is no list of rules, before anything is known.
 * @example
 * import { AdamW, registerOptimizers } from 'tfjs-warmup/optimizers';
 * import { linearWarmup } from 'tfjs-warmup/schedules';
 *
 * const learningRate = linearWarmup({ peak: 0.5, warmupSteps: 2 });
 * const config = new AdamW({ learningRate }).getConfig();
 * // Without it the schedule, which was saved as plain JSON, could not be made again.
 * registerOptimizers();
 * AdamW.fromConfig<AdamW>(AdamW, config).currentLearningRate; // 0.25
 */
export function registerOptimizers(options: { readonly rules?: readonly Rule[] } = {}): void {
  const { rules } = parseOptions('registerOptimizers', schema, options) as { rules: Rule[] };
  for (const optimizer of optimizers)
    serialization.registerClass(
      optimizer as unknown as serialization.SerializableConstructor<serialization.Serializable>,
    );
  rules.forEach(registerRule);
  setReviver((spec) => (isRRCSpec(spec) ? rrcFrom(spec) : scheduleFrom(spec as ScheduleSpec)));
}
