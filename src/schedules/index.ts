/** Pure functions of the step: warmups, cooldowns and their combinations. Imports no tfjs. */

export { checkSchedule, type ScheduleLaws, type ScheduleReport } from './check-schedule.js';
export {
  product,
  scale,
  sequence,
  type AnySchedule,
  type ProductSpec,
  type ScaleSpec,
  type SequencePart,
  type SequenceSpec,
} from './combine.js';
export { constant, type ConstantSpec } from './constant.js';
export { cosineWarmup, type CosineWarmupSpec } from './cosine-warmup.js';
export {
  exponentialWarmup,
  type ExponentialWarmupOptions,
  type ExponentialWarmupSpec,
} from './exponential-warmup.js';
export { linearWarmup, type LinearWarmupSpec } from './linear-warmup.js';
export { ramp, type RampOptions, type RampSpec } from './ramp.js';
export type { AnySpec, Json, ScheduleOf } from './schedule.js';
export type { CooldownShape, WarmupShape } from './shape-names.js';
export { scheduleFrom, type Schedule, type ScheduleSpec } from './spec.js';
export { trapezoid, type TrapezoidOptions, type TrapezoidSpec } from './trapezoid.js';
export { untunedExponential, untunedLinear, type UntunedOptions } from './untuned.js';
export type { WarmupOptions, WarmupSpec } from './warmup.js';
export { warmupCosine, type WarmupCosineOptions, type WarmupCosineSpec } from './warmup-cosine.js';
export {
  wsd,
  type WsdCommon,
  type WsdCooldown,
  type WsdOptions,
  type WsdShapes,
  type WsdSpec,
} from './wsd.js';
