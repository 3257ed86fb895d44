export { alignmentRatio, type Alignment, type AlignmentOptions } from './alignment-ratio.js';
export {
  deadReluFraction,
  type DeadReluFraction,
  type DeadUnits,
  type ReluCall,
  type ReluFunction,
} from './dead-relu-fraction.js';
export type { FigureOptions, PlotLibrary } from './figure.js';
export {
  gradientSNR,
  type GradientHalves,
  type GradientPowers,
  type GradientSNR,
} from './gradient-snr.js';
export type { HessianMethod } from './hessian-vector-product.js';
export type { CallArguments, LayerLike, LayersModelLike, LayerWeight } from './layers-model.js';
export type { Loss } from './loss.js';
export type { MetricName } from './metrics.js';
export type { Eigenvalue, EigenvalueOptions } from './power-iteration.js';
export { preconditionedSharpness } from './preconditioned-sharpness.js';
export { ProbeRecorder, type ProbeRecorderOptions } from './probe-recorder.js';
export type {
  RecordedNumbers,
  RecordedReading,
  RecordedRun,
  RecordedStep,
  RecordedVariable,
} from './recorded-run.js';
export type { FitLogs, RecorderCallback, RecorderCallbackOptions } from './recorder-callback.js';
export {
  representationChange,
  type Forward,
  type LayerChange,
  type LinearCall,
  type RepresentationChange,
} from './representation-change.js';
export { sharpness, type Sharpness, type SharpnessOptions } from './sharpness.js';
export { spectralNorm, type SpectralNormOptions } from './spectral-norm.js';
export { stableRank } from './stable-rank.js';
export {
  distanceToInstability,
  instabilityThreshold,
  type InstabilityKind,
  type ThresholdOptions,
} from './thresholds.js';
export {
  UpdateProbe,
  type ProbeReading,
  type UpdateProbeOptions,
  type VariableReading,
} from './update-probe.js';
