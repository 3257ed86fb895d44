/**
 * Linear interpolation, low + (high - low) u, for u in [0, 1] and low, high >= 0 in either order:
 * exactly `high` at u = 1, monotone in u to the last bit, never past `high`.
 *
 * At u = 1 the sum may miss: 1.5 + (2 ** 52 + 3 - 1.5) is 2 ** 52 + 4. At any smaller u it cannot
 * pass `high`, for the product is then at least one float short of the difference, more than the
 * difference was rounded by.
 */
export const lerp = (low: number, high: number, u: number): number =>
  u < 1 ? low + (high - low) * u : high;
