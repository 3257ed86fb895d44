/**
 * Clipping by the global norm. Pascanu et al., On the difficulty of training recurrent neural
 * networks (arXiv 1211.5063), Algorithm 1.
 */

/**
 * The factor of all gradients: 1, or clipNorm / |g| where the norm over all of them is larger; NaN
 * where that is NaN.
 */
export function clipFactor(gradients: readonly Float64Array[], clipNorm: number): number {
  const norm = Math.sqrt(
    gradients.reduce((total, g) => total + g.reduce((sum, value) => sum + value ** 2, 0), 0),
  );
  return norm <= clipNorm ? 1 : clipNorm / norm;
}
