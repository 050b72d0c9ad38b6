"""Least squares by LSQR on a matrix that a sketch has made nearly orthonormal: one pass over the samples an iteration.

With Ā = A diag(1/s) and a factor N of a sketch of Ā (see `sketch`), B = ĀN has a condition of 2 or 3 whatever that of A, and
w = w0 + N y / s with y of least ‖B y - r‖, r = f - A w0 (the preconditioner LSRN and Blendenpik use: Meng, Saunders, Mahoney, SIAM J. Sci.
Comput. 36, 2014). Rounding in N costs digits at high condition, so the caller starts again from the true residual of w until it is small.

LSQR (Paige & Saunders, ACM TOMS 8, 1982) goes α v = Bᵀu - β v, then β u = B v - α u. When it asks for B v, α = ‖Bᵀu - β v‖ is known, so
one pass over the samples computes d = B v - α u, ‖d‖ and Aᵀd together, piece by piece of σ'; asked for Bᵀ(d/β) next, the matrix has it
already. It checks that this is what it is asked for, and makes another pass if not.
"""

import numpy as np

from hnn_hpc.parallel.petsc import petsc_lsqr
from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.solvers.certificate import Residual

# Of d/β, between PETSc's arithmetic and ours: some units of round-off, times |α u| + |B v| over β.
SAME_ROWS = 1e-12
# Of ‖Bᵀr‖ / ‖r‖, and of ‖r‖ where everything is reached.
ROUND_OFF = 1e-15


def residual_rows(operator, coefficients, layout, communicator, threads=1, on_leaf=None):
    """Return (rows, residual) of w (M,): this rank's rows of r = f - A w, (own samples, D), and on rank 0 the `Residual`. Collective."""
    first, last = layout.owned_rows(communicator.rank, communicator.size)
    rows = np.empty((last - first, operator.rows_per_sample))

    def leaf(block):
        start, stop = layout.bounds(block)
        r, At_r, f = operator.residual(start, stop, coefficients)
        rows[start - first : stop - first] = r
        return np.concatenate([[np.vdot(r, r), np.vdot(f, f)], At_r])

    sums = tree_reduce(communicator, layout, leaf, np.add, threads, on_leaf)
    return rows, Residual(*np.sqrt(sums[:2]).tolist(), sums[2:]) if communicator.is_root else None


def lsqr_correction(
    operator,
    factor,
    coefficients,
    layout,
    communicator,
    threads=1,
    iterations=40,
    reachable=0.0,
    start=None,
    on_leaf=None,
    on_iteration=None,
    on_solution=None,
):
    """Return (y, iterations, reachable): y (rank,) on rank 0, None elsewhere, so that w + N y / s lowers ‖f - A w‖. Collective.

    One pass over the samples for r, unless `start` is given, and one an iteration. Memory of a rank: 5 vectors of its rows, 8 D bytes a
    sample each.

    Parameters
    operator      with `residual` and `multiply_transposed` (GradientOperator, or KeptGradientOperator)
    factor        of Ā: column_norms s, rank, basis, basis_transposed (see `factor`); on rank 0, anything elsewhere
    coefficients  w (M,), on every rank
    iterations    at most
    reachable     stop when ‖Bᵀr‖ <= reachable ‖r‖, by LSQR's own estimate, which is returned as the third value
    start         what `residual_rows` gave for w; its rows are overwritten
    on_leaf()     called after each block of each pass, from any thread
    on_iteration(reachable)  called after each iteration, on every rank
    on_solution(y)           called before that on rank 0, with y so far, which is not to be kept
    """
    rows, residual = start or residual_rows(operator, coefficients, layout, communicator, threads, on_leaf)
    matrix = PreconditionedMatrix(operator, factor, layout, communicator, threads, on_leaf, rows, residual)
    if not matrix.norm or not matrix.columns:
        return (np.zeros(matrix.columns) if communicator.is_root else None), 0, 0.0

    first_norm = matrix.norm

    def is_done(norm, y):
        found = communicator.broadcast(matrix.reachable)
        with communicator.together():
            if on_solution and communicator.is_root:
                on_solution(y)
            if on_iteration:
                on_iteration(found)
        return found <= max(reachable, ROUND_OFF) or norm <= ROUND_OFF * first_norm

    y, taken = petsc_lsqr(matrix, rows.ravel(), communicator, iterations, is_done)
    return y, taken, communicator.broadcast(matrix.reachable)


class PreconditionedMatrix:
    """B = ĀN, made for LSQR: rows as the ranks own them, columns on rank 0, one pass for a product and the transposed one after it.

    columns: the rank of the factor; norm: ‖r‖ at first; reachable: ‖Bᵀr‖/‖r‖ of LSQR's current r, on rank 0.
    `_rows` holds d, whose multiple LSQR is expected to ask Bᵀ of, and from then on u; `_At_d` is on rank 0, as are LSQR's `_v`, `_alpha`,
    and its rotations `_cosine` and `_rho`.
    """

    def __init__(self, operator, factor, layout, communicator, threads, on_leaf, rows, residual):
        self._operator, self._factor, self._layout, self._communicator = operator, factor, layout, communicator
        self._threads, self._on_leaf = threads, on_leaf
        self._first = layout.owned_rows(communicator.rank, communicator.size)[0]
        self._rows = rows
        self.columns, self.norm = communicator.broadcast((factor.rank, residual.r_norm) if communicator.is_root else None)
        self._At_d = residual.At_r if communicator.is_root else None
        self._v, self._alpha, self._cosine, self._rho = np.zeros(self.columns), 0.0, 1.0, None
        self.reachable = None

    def multiply(self, y):
        """Return this rank's rows of B y."""
        message = None
        with self._communicator.together():
            product = np.empty_like(self._rows)
            if self._communicator.is_root:
                self._v = y.copy()
                message = self._factor.basis(y) / self._factor.column_norms, self._alpha
        w, alpha = self._communicator.broadcast(message)

        def leaf(start, stop, own):
            u = self._rows[own]
            d, At_d, _ = self._operator.residual(start, stop, -w, -alpha * u)
            product[own] = d + alpha * u
            self._rows[own] = d
            return np.concatenate([[np.vdot(d, d)], At_d])

        sums = self._pass(leaf)
        if self._communicator.is_root:
            self._At_d = sums[1:]
        self.norm = self._communicator.broadcast(np.sqrt(sums[0]) if self._communicator.is_root else None)
        return product.ravel()

    def multiply_transposed(self, rows):
        """Return Bᵀ rows on rank 0, nothing elsewhere."""
        u = rows.reshape(self._rows.shape)
        with self._communicator.together():
            difference = self.norm * u - self._rows
        expected = np.sqrt(sum(self._communicator.all_gather(np.vdot(difference, difference)))) < SAME_ROWS * self.norm
        self._rows[:] = u
        if expected:
            At_u = self._At_d / self.norm if self._communicator.is_root else None
        else:
            At_u = self._pass(lambda start, stop, own: self._operator.multiply_transposed(start, stop, u[own]))
        with self._communicator.together():
            if self._communicator.is_root:
                p = self._factor.basis_transposed(At_u / self._factor.column_norms)
                self._follow(p, self.norm if expected else p @ self._v)
                return p
        return None

    def _follow(self, p, beta):
        """Follow LSQR's rotations: ‖Bᵀr‖ / ‖r‖ = α |c| with α of the next step and c of the last (Paige & Saunders, section 5.1)."""
        if self._rho is None:
            self._alpha = self._rho = np.linalg.norm(p)
        else:
            self._alpha = np.linalg.norm(p - beta * self._v)
            self._cosine = self._rho / np.hypot(self._rho, beta)
            self._rho = -self._cosine * self._alpha
        self.reachable = float(self._alpha * abs(self._cosine))

    def _pass(self, leaf):
        """Return the sum of leaf(start, stop, own) over all blocks on rank 0; `own` are the rows of `_rows` that belong to the block."""

        def at_block(block):
            start, stop = self._layout.bounds(block)
            return leaf(start, stop, slice(start - self._first, stop - self._first))

        return tree_reduce(self._communicator, self._layout, at_block, np.add, self._threads, self._on_leaf)
