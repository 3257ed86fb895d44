import type { ProbeReading } from '../../src/probes/index.js';
import { median } from '../../src/median.js';

/** How large the updates of a run were, one number a step. */
export interface UpdateSeries {
  /** Norm of the change of all weights. */
  updateNorms: number[];
  /**
   * Angle by which a query, key or value matrix as a whole turned, in radians: the median of these
   * matrices.
   */
  angles: number[];
  /**
   * Angle by which the weight vector of a neuron turned, in radians: the median of the neurons of
   * all matrices.
   */
  neuronAngles: number[];
  /**
   * Signal-to-noise ratio of a matrix's gradient, the median of all matrices: 0 where gradients
   * cancel; empty where the optimizer does not tell.
   */
  signalToNoise: number[];
}

/** The series from a probe's readings; `matrices` and `projections` name variables. */
export function updateSeries(
  readings: readonly ProbeReading[],
  matrices: readonly string[],
  projections: readonly string[],
): UpdateSeries {
  const perStep = (value: (variables: ProbeReading['variables']) => number): number[] =>
    readings.map(({ variables }) => value(variables));
  const tellsSignal = readings.some(
    ({ variables }) => variables[matrices[0]].gradientSNR !== undefined,
  );
  return {
    updateNorms: perStep((variables) =>
      Math.hypot(...Object.values(variables).map(({ updateNorm }) => updateNorm!)),
    ),
    angles: perStep((variables) =>
      median(projections.map((name) => variables[name].angularUpdate!)),
    ),
    neuronAngles: perStep((variables) =>
      median(matrices.flatMap((name) => variables[name].neuronAngularUpdate!)),
    ),
    signalToNoise: tellsSignal
      ? perStep((variables) => median(matrices.map((name) => variables[name].gradientSNR!)))
      : [],
  };
}
