"""The triangle of a long run of rows, read in pieces: Cholesky QR preconditioned by the rows before, Householder QR where that is not safe.

The first rows, twice as many as columns, go into R by Householder QR, piece by piece. A later piece X then costs only BLAS-3:

    Y = X R⁻¹,   G = I + Σ YᵀY,   [first rows; X …] has the triangle chol(G) R        (2 B n² flops for B rows of n columns)

R takes out the condition of X before the squaring, so nothing of it is lost: G has a condition of about the number of rows over that of
the first ones (the preconditioned Cholesky QR of Yamamoto et al., ETNA 44, 2015, with the rows themselves as the sketch). Where R is
singular to working precision its diagonal is kept above ε ‖column‖, the level of its rounding errors, and above 0 for a column of zeros.

Row by row (Y + δY) R = X + δX with |δX| <= n u |Y| |R|, so that rounding in Y costs column j

    growth_j = Σ_i ‖Y_i‖ |R_ij| / ‖R_j‖

times the error of Householder QR; and the Cholesky factor of G costs up to the square root of its condition times as much, which the
largest ‖Y_i‖² bounds. Where a piece goes where no row before it went (sorted samples, features that few samples see), growth or ‖Y_i‖
is large: that piece is merged by Householder reflections, and R knows its directions from then on.
"""

import numpy as np

from hnn_hpc.parallel.checkpoint import NoCheckpoint
from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.solvers.lapack import PANEL, add_gram, cholesky_in_place, divide_by_triangle, merge_rows_in_place, multiply_triangles
from hnn_hpc.solvers.triangle import combine, triangle_of

FIRST_ROWS = 2  # in columns: the R of fewer rows is a poor guess for that of all
SHORT_RUN = 3  # in columns: shorter runs are left to Householder QR, for renewing their R would cost more than Cholesky QR gains
SMALLEST_DIAGONAL = 4e-16
ZERO_DIAGONAL = 1e-300  # of a column of zeros meanwhile
LARGEST_GROWTH = 100.0  # of growth_j, and of ‖Y_i‖
LARGEST_GRAM = LARGEST_GROWTH**2  # beyond it R is renewed: the identity keeps twelve digits, and the condition of G stays small


class RowTriangle:
    """The triangle of all rows added so far, (n, n) column-major; `householder_rows` counts the later rows that Householder merged.

    Memory: R, G and one piece; 2 n² + B n numbers.
    """

    def __init__(self, first_rows, expected_rows):
        """first_rows (B, n), column-major, is destroyed; expected_rows: how many there will be in all."""
        self._R = triangle_of(first_rows)
        self._gram = None
        columns = len(self._R)
        self._first_left = (expected_rows if expected_rows <= SHORT_RUN * columns else FIRST_ROWS * columns) - len(first_rows)
        self.householder_rows = 0

    def add(self, read):
        """Add the rows that read() gives, (B, n) column-major and destroyed here; asked for again where Cholesky QR is not safe."""
        rows = read()
        if self._first_left > 0:
            self._first_left -= len(rows)
            merge_rows_in_place(self._R, rows)
            return
        self._keep_diagonal()
        divide_by_triangle(rows, self._R)
        if not self._is_safe(rows):
            self._renew()
            rows = read()
            self.householder_rows += len(rows)
            merge_rows_in_place(self._R, rows)
            return
        if self._gram is None:
            self._gram = np.asfortranarray(np.identity(len(self._R)))
        add_gram(self._gram, rows)
        if self._gram.diagonal().max() > LARGEST_GRAM:
            self._renew()

    def finish(self):
        """Return the triangle."""
        self._renew()
        diagonal = self._R.diagonal()
        np.fill_diagonal(self._R, np.where(np.abs(diagonal) <= 2 * ZERO_DIAGONAL, 0.0, diagonal))
        return self._R

    def _keep_diagonal(self):
        diagonal = self._R.diagonal()
        smallest = np.maximum(SMALLEST_DIAGONAL * np.linalg.norm(self._R, axis=0), ZERO_DIAGONAL)
        np.fill_diagonal(self._R, np.copysign(np.maximum(np.abs(diagonal), smallest), diagonal))

    def _is_safe(self, Y):
        with np.errstate(over="ignore", invalid="ignore"):  # where R has a column of zeros and X has not, Y may overflow
            norms = np.sqrt(np.einsum("bn,bn->n", Y, Y))
            return norms.max() <= LARGEST_GROWTH and self._growth(norms) <= LARGEST_GROWTH

    def _growth(self, norms):
        growth = 0.0
        for start in range(0, len(norms), PANEL):
            columns = self._R[: start + PANEL, start : start + PANEL]
            sizes = np.linalg.norm(columns, axis=0)
            growth = max(growth, np.max((norms[: start + PANEL] @ np.abs(columns)) / np.where(sizes == 0, 1, sizes)))
        return growth

    def _renew(self):
        """Put R := chol(G) R, G := I."""
        if self._gram is None:
            return
        positive = cholesky_in_place(self._gram)
        assert positive, "the identity plus a Gram matrix bounded by LARGEST_GRAM is positive definite"
        multiply_triangles(self._gram, self._R)
        self._gram = None


def row_triangle(read, pieces):
    """Return (triangle, householder_rows) of the rows of some runs of samples, a pure function of the rows and their order.

    Parameters: read(start, stop) -> (rows, columns) float64, column-major and ours to overwrite; pieces: list of (start, stop), the first
    of which should give as many rows as there are columns. 2 B n² flops for B rows of n columns in all.
    """
    rows, (start, stop) = read(*pieces[0]), pieces[0]
    triangle = RowTriangle(rows, len(rows) // (stop - start) * (pieces[-1][1] - start))
    del rows
    for piece in pieces[1:]:
        triangle.add(lambda piece=piece: read(*piece))
    return triangle.finish(), triangle.householder_rows


def reduce_rows(read, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the triangle of the rows of all samples on rank 0, None on the others; householder_rows of all ranks). Collective.

    The leaf of the fixed tree is the triangle of one block. `read` and the blocks' pieces as for `row_triangle`; plan (Plan);
    checkpoint: see `NoCheckpoint`.
    """
    checkpoint = checkpoint or NoCheckpoint()

    def leaf(block):
        triangle, checkpoint.counts[block] = row_triangle(read, plan.pieces(block))
        return triangle

    triangle = tree_reduce(communicator, plan.layout, leaf, combine, plan.threads, on_leaf, checkpoint)
    return triangle, sum(communicator.all_gather(sum(checkpoint.counts.values())))
