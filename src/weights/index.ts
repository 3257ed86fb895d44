/** Forward passes for rotational optimizers: gains and weight standardization. */
export { gainedWeight, type GainedWeightOptions } from './gain.js';
export {
  standardizedWeight,
  weightStd,
  type StandardizationOptions,
} from './weight-standardization.js';
