"""What the R of a QR factorization answers: solutions, corrections and the numerical rank, with the columns of A scaled to norm 1.

With s_m = ‖A_m‖ = ‖R_m‖ (1 in place of 0), Ā = A diag(1/s) and R̄ = R diag(1/s), w̄ = s∘w. A factor knows a basis N (M, r) of the r
directions that `rcond` keeps, such that the columns of Ā N are orthonormal, and a projection P (r, M) with w̄ = N P z the least-squares
solution for the right-hand side z of R̄. So (R̄ᵀR̄)⁺ = N Nᵀ, and NᵀĀᵀr are the coordinates of the part of r that Ā can still reach; where
directions are dropped without a gap in the singular values at the cut, all this holds up to the dropped part E of `TruncatedFactor`.
In place of a vector, `basis` and `basis_transposed` take several as the columns of a matrix.
"""

import numpy as np
from scipy.linalg import lapack, solve_triangular

from hnn_hpc.random_streams import random_stream
from hnn_hpc.solvers.pivoted_qr import PivotedQR

POWER_STEPS = 8
FIRST_PIVOT = 1 - 1e-8  # at least, being the norm of a column of R̄


def factor_of(R, rcond):
    """Return the factor of R (M, M), upper triangular: a `TriangularFactor`, or a `TruncatedFactor` where rcond may drop a direction.

    None is dropped when M κ₁(R̄) rcond < 1, for κ₂ <= M κ₁. LAPACK estimates κ₁ in O(M²) flops, from below and seldom by more than a
    factor of 3; 10 is allowed for.
    """
    column_norms = np.linalg.norm(R, axis=0)
    column_norms[column_norms == 0] = 1
    scaled = np.asfortranarray(R / column_norms)
    reciprocal, _ = lapack.dtrcon(scaled)
    if reciprocal > 10 * len(R) * rcond:
        return TriangularFactor(scaled, column_norms, 1 / reciprocal)
    return TruncatedFactor(scaled, column_norms, rcond)


class TriangularFactor:
    """R̄ of full rank: N = R̄⁻¹, P = I.

    Attributes: scaled R̄ (M, M), column_norms s (M,), rank (M), condition (LAPACK's estimate of κ₁), truncated (False), and for its
    `spectrum`: kept (rank, rank), with the singular values of what is kept, and pivots (rank,), the sizes of the pivots of its QR.
    """

    truncated = False

    def __init__(self, scaled, column_norms, condition):
        self.scaled, self.column_norms, self.condition = scaled, column_norms, condition
        self.rank = len(scaled)
        self.kept, self.pivots = scaled, np.abs(scaled.diagonal())

    def basis(self, y):
        """Return N y, (M,), for y (rank,)."""
        return solve_triangular(self.scaled, y, check_finite=False)

    def basis_transposed(self, g):
        """Return Nᵀ g, (rank,), for g (M,)."""
        return solve_triangular(self.scaled, g, trans="T", check_finite=False)

    def project(self, z):
        """Return P z, (rank,), for z (M,)."""
        return z


class TruncatedFactor:
    """R̄ near rank deficiency, cut at rank r by QR with column pivoting, R̄ P = Q [R11 R12; 0 E], E dropped.

    With [R11 R12] = [T 0] Z, Z orthogonal, N = P Zᵀ [T⁻¹; 0] and P z = the first r components of Qᵀ z: the shortest minimizer on the
    directions kept (the complete orthogonal decomposition; Golub & Van Loan, 5.5.2). Pivots below rcond σ_max(R̄) are dropped; a pivot
    is within a small factor of the singular value of its number. The first, the norm of a column of R̄, is kept at any rcond, as are
    others of its size, so that r >= 1 unless R̄ = 0. Attributes as those of `TriangularFactor`; condition is σ_max over the last pivot,
    dropped or not.
    """

    truncated = True

    def __init__(self, scaled, column_norms, rcond):
        self.scaled, self.column_norms = scaled, column_norms
        largest = _largest_singular_value(scaled)
        self._qr = PivotedQR(scaled, min(rcond * largest, FIRST_PIVOT))
        self.rank = self._qr.rank
        self.condition = float(largest / self._qr.last_pivot) if self._qr.last_pivot else np.inf
        self._trapezoid, self._reflectors = self._qr.R, None
        if 0 < self.rank < len(scaled):
            self._trapezoid, self._reflectors, _ = lapack.dtzrzf(self._qr.R, lwork=_work(*self._qr.R.shape))
        self._T = self._trapezoid[:, : self.rank]
        self.pivots = np.abs(self._qr.R.diagonal())

    def basis(self, y):
        """Return N y, (M,), for y (rank,)."""
        padded = np.zeros((len(self.scaled), *y.shape[1:]))
        padded[: self.rank] = solve_triangular(self._T, y, check_finite=False)
        result = np.empty_like(padded)
        result[self._qr.columns] = self._rotate(padded, "T")
        return result

    def basis_transposed(self, g):
        """Return Nᵀ g, (rank,), for g (M,)."""
        rotated = self._rotate(g[self._qr.columns], "N")[: self.rank]
        return solve_triangular(self._T, rotated, trans="T", check_finite=False)

    def project(self, z):
        """Return P z, (rank,), for z (M,)."""
        return self._qr.project(z)

    @property
    def kept(self):
        """T (rank, rank), upper triangular."""
        return np.triu(self._T)  # a copy: below it lie reflectors

    def _rotate(self, x, transpose):
        """Return Z x, or Zᵀ x."""
        if self._reflectors is None:
            return x
        columns = np.asfortranarray(x.reshape(len(x), -1))
        return lapack.dormrz(self._trapezoid, self._reflectors, columns, trans=transpose, lwork=_work(*columns.shape))[0].reshape(x.shape)


def _largest_singular_value(R):
    """Return an estimate of σ_max(R) from below, by power iteration on RᵀR from a random vector: O(n²) flops."""
    x = R.T @ (R @ random_stream(0, "pivots", 1).standard_normal(len(R)))
    for _ in range(POWER_STEPS):
        if not x.any():
            return 0.0
        x = R.T @ (R @ (x / np.linalg.norm(x)))
    return float(np.sqrt(np.linalg.norm(x)))


def _work(rows, columns):
    """Return a workspace for LAPACK's blocks of 64."""
    return 64 * max(rows, columns, 1)
