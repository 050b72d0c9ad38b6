"""Triangles: the R of a QR factorization, how two of them merge, and what one of them answers.

For a matrix [A | f] with n + 1 columns, the (n + 1) x (n + 1) triangle

    [ R  z ]
    [ 0  ρ ]

holds all that least squares needs: min ‖A w − f‖² = min ‖R w − z‖² + ρ². R of [R1; R2] is R of the rows that R1 and R2 came from, so
triangles of row blocks merge pairwise in any fixed order (TSQR: Demmel, Grigori, Hoemmen, Langou, SIAM J. Sci. Comput. 34, 2012).
"""

import numpy as np
from scipy.linalg import lapack, solve_triangular, svd

from hnn_hpc.solvers.lapack import merge_triangles_in_place, qr_in_place


def triangle_of(block):
    """Return the (n, n) column-major triangle of a (rows, n) block, which is destroyed; rows of zeros where rows < n."""
    columns = block.shape[1]
    qr_in_place(block)
    triangle = np.zeros((columns, columns), order="F")
    kept = min(block.shape)
    triangle[:kept] = np.triu(block[:kept])
    return triangle


def combine(upper, lower):
    """Return the triangle of [upper; lower]; both are destroyed. A pure function of the two: the merge of every tree."""
    merge_triangles_in_place(upper, lower)
    return upper


class TriangleFactor:
    """R of A with columns scaled to norm 1, ready to solve with: as it is or, near rank deficiency, by its truncated SVD.

    With s_m = ‖A_m‖ = ‖R_m‖ (1 in place of 0), R̄ = R diag(1/s). Singular values of R̄ below `rcond` times the largest are dropped. The SVD
    is computed only if there may be such values: there are none when n κ₁(R̄) rcond < 1, for κ₂ <= n κ₁. LAPACK estimates κ₁ in O(n²)
    flops, from below and seldom by more than a factor of 3; 10 is allowed for.

    Parameters: R (n, n), upper triangular; rcond (dimensionless).
    Attributes: column_norms s (n,), scaled R̄ (n, n), rank, condition (σ_max/σ_min of R̄ where the SVD was computed, else the estimate of
    κ₁), used_svd.
    """

    def __init__(self, R, rcond):
        order = len(R)
        self.column_norms = np.linalg.norm(R, axis=0)
        self.column_norms[self.column_norms == 0] = 1
        self.scaled = np.asfortranarray(R / self.column_norms)
        reciprocal, _ = lapack.dtrcon(self.scaled)
        self.used_svd = reciprocal <= 10 * order * rcond
        if self.used_svd:
            U, values, Vt = svd(self.scaled, check_finite=False)
            self.rank = int(np.count_nonzero(values > rcond * values[0]))
            self._U, self._values, self._Vt = U[:, : self.rank], values[: self.rank], Vt[: self.rank]
            self.condition = float(values[0] / values[-1]) if values[-1] > 0 else np.inf
        else:
            self.rank, self.condition = order, 1 / reciprocal

    def solve(self, z):
        """Return R̄⁺ z, the shortest minimizer of ‖R̄ w̄ - z‖ on the directions kept."""
        if self.used_svd:
            return self._Vt.T @ ((self._U.T @ z) / self._values)
        return solve_triangular(self.scaled, z, check_finite=False)

    def solve_transposed(self, g):
        """Return the coordinates, in an orthonormal basis, of (R̄⁺)ᵀ g: where g = Āᵀ r, those of the part of r that Ā can still reach."""
        if self.used_svd:
            return (self._Vt @ g) / self._values
        return solve_triangular(self.scaled, g, trans="T", check_finite=False)

    def correction(self, g):
        """Return (R̄ᵀR̄)⁺ g, which lowers ‖r‖ as far as g = Āᵀ r tells (corrected seminormal equations: Björck, LAA 88, 1987)."""
        h = self.solve_transposed(g)
        if self.used_svd:
            return self._Vt.T @ (h / self._values)
        return self.solve(h)
