"""Rank-revealing QR with column pivoting, all of it BLAS-3, for triangles whose condition is too large to divide by.

Pivots come in panels from a small sketch B = G A, G Gaussian with a few rows more than the panel has columns: what pivoting B picks serves
A as well, and B is brought up to date in place of being drawn anew (Duersch & Gu, SIAM J. Sci. Comput. 39, 2017; Martinsson, Quintana-Ortí,
Heavner, van de Geijn, ibid.). About (4/3) n³ flops where LAPACK's dgeqp3 does half of as many at the speed of memory, and a singular value
decomposition over ten times as many. It ends at the numerical rank.
"""

import numpy as np
from scipy.linalg import lapack, solve_triangular

from hnn_hpc.random_streams import random_stream
from hnn_hpc.solvers.lapack import apply_reflectors, qr_in_place

PIVOT_PANEL = 64
OVERSAMPLING = 8


class PivotedQR:
    """A P = Q [R11 R12; 0 E] with ‖E‖ about `threshold` or less.

    Parameters: A (n, n); threshold: pivots below it end the factorization.
    Attributes: rank r, R (r, n) = [R11 R12], columns (n,): P, the original number of each of its columns, last_pivot: the size of the
    last pivot computed, whether kept or not.
    """

    def __init__(self, A, threshold):
        work, order = A.copy(order="F"), len(A)
        self.columns = np.arange(order)
        self._panels = []  # (first row, reflectors, their triangular factors)
        rng = random_stream(0, "pivots")
        width = min(PIVOT_PANEL, order)
        sketch = rng.standard_normal((width + OVERSAMPLING, order)) @ work
        self.rank = order
        for start in range(0, order, width):
            stop = min(start + width, order)
            pivoted, choice, *_ = lapack.dgeqp3(sketch)
            choice -= 1
            self.columns[start:] = self.columns[start:][choice]
            work[:, start:] = work[:, start:][:, choice]
            panel = work[start:, start:stop]
            factors = qr_in_place(panel, stop - start)
            self._panels.append((start, panel, factors))
            rest = work[start:, stop:]
            apply_reflectors(panel, factors, rest)
            pivots = np.abs(panel.diagonal())
            self.last_pivot = pivots[-1]
            if (pivots <= threshold).any():
                self.rank = start + int(np.argmax(pivots <= threshold))
                break
            sketch = _sketch_of_rest(pivoted, panel, rest[: stop - start])
        self.R = np.triu(work[: self.rank])

    def project(self, z):
        """Return the first r components of Qᵀ z, (r,), for z (n,)."""
        rotated = np.array(z, dtype=float).reshape(-1, 1, order="F")
        for start, vectors, factors in self._panels:
            apply_reflectors(vectors, factors, rotated[start:])
        return rotated[: self.rank, 0]


def _sketch_of_rest(pivoted, panel, above):
    """Return a sketch of the rows and columns that remain, from the pivoted QR of the last one, [S11 S12; 0 S22].

    With [R11 R12] the panel's rows of R, G A = G (its rows) + G (the rest): [S12 - S11 R11⁻¹ R12; S22] sketches the rest.
    """
    width = panel.shape[1]
    S11, S12 = np.triu(pivoted[:width, :width]), pivoted[:width, width:]
    S22 = np.triu(pivoted[width:, width:])
    R11_inverse_R12 = solve_triangular(panel[:width], above, check_finite=False)
    return np.asfortranarray(np.vstack([S12 - S11 @ R11_inverse_R12, S22]))
