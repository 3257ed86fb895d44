/** Forward passes for rotational optimizers: gains and weight standardization. */
export { gainedWeight, type GainOptions } from './gain.js';
export {
  standardizedWeight,
  weightStd,
  type StandardizationOptions,
} from './weight-standardization.js';
