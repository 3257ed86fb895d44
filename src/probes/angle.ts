/**
 * The angle from w to w + dw, in radians, from a = |w|^2, b = w.dw and d = |dw|^2:
 *   theta = atan2(sqrt(a d - b^2), a + b)
 * An arc cosine would lose all digits of a small angle; here they are those of the sums.
 */
export const angleFrom = (a: number, b: number, d: number): number =>
  Math.atan2(Math.sqrt(Math.max(0, a * d - b * b)), a + b);
