/** Eigenvalues of a small dense symmetric matrix. */

/** Eigenvalues in descending order; `vectors[i]` is the unit eigenvector of `values[i]`. */
export type SymmetricEigen = { readonly values: number[]; readonly vectors: number[][] };

/** More than enough: the off-diagonal falls quadratically after two or three. */
const maxSweeps = 50;

/**
 * All eigenvalues and eigenvectors by cyclic Jacobi rotations, which are accurate to the last
 * digits also for small eigenvalues. Source: Golub and Van Loan, Matrix computations (4th edition),
 * algorithm 8.5.3.
 */
export function symmetricEigen(matrix: readonly (readonly number[])[]): SymmetricEigen {
  const size = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, i) => a.map((_, k) => Number(i === k)));
  const norm = Math.sqrt(a.flat().reduce((sum, x) => sum + x * x, 0));
  for (let sweep = 0; sweep < maxSweeps; sweep++) {
    if (offDiagonalNorm(a) <= 1e-15 * norm) break;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) if (a[p][q] !== 0) rotate(a, v, p, q);
    }
  }
  const order = a.map((_, i) => i).sort((i, k) => a[k][k] - a[i][i]);
  return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v.map((row) => row[i])) };
}

/** The norm of the numbers above the diagonal. */
function offDiagonalNorm(a: readonly (readonly number[])[]): number {
  let sum = 0;
  for (let p = 0; p < a.length; p++) {
    for (let q = p + 1; q < a.length; q++) sum += a[p][q] ** 2;
  }
  return Math.sqrt(sum);
}

/** Makes a[p][q] zero by a rotation in the plane of p and q. */
function rotate(a: number[][], v: number[][], p: number, q: number): void {
  const tau = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const t = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.hypot(1, tau));
  const c = 1 / Math.hypot(1, t);
  const s = t * c;
  const turn = (row: number[]): void => {
    const [x, y] = [row[p], row[q]];
    row[p] = c * x - s * y;
    row[q] = s * x + c * y;
  };
  a.forEach(turn);
  const [first, second] = [a[p], a[q]];
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [first[k], second[k]];
    first[k] = c * x - s * y;
    second[k] = s * x + c * y;
  }
  v.forEach(turn);
}
