import { biasCorrection } from './bias-correction.js';

/**
 * The share of the noise's power that is left in a bias-corrected running mean of t gradients:
 *   kappa_t = (1 - beta) / (1 + beta) (1 + beta^t) / (1 - beta^t),
 * 1 at t = 1, and (1 - beta) / (1 + beta) in the long run. Source: the variance of a geometrically
 * weighted mean.
 */
export function noiseShare(beta: number, updates: number): number {
  const correction = biasCorrection(beta, updates);
  return (((1 - beta) / (1 + beta)) * (2 - correction)) / correction;
}
