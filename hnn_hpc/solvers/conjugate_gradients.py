"""The same least squares as `lsqr` where nobody keeps vectors of all rows: conjugate gradients in the coefficients alone.

B = ĀN has a condition of 2 or 3 (see `sketch`), and so BᵀB y = Bᵀr may be solved in place of min ‖B y - r‖ without loss: its condition is
below 10. In exact arithmetic the iterates are LSQR's (Paige & Saunders, ACM TOMS 8, 1982). BᵀB p takes one pass over the samples, in which
each block computes its rows d = B p and adds ‖d‖² and Aᵀd to the sums; no rows outlive their block.
"""

import numpy as np

from hnn_hpc.parallel.tree import add_in_place, tree_reduce
from hnn_hpc.solvers.lsqr import ROUND_OFF

NO_DIGITS = 1e-15  # of ‖r‖² at first: what is left of it when all of its digits are rounding


def cg_correction(operator, factor, residual, layout, communicator, iterations=40, reachable=0.0, on_iteration=None):
    """Return (y, iterations, reachable): y (rank,), so that w + N y / s lowers ‖f - A w‖. One pass over the samples an iteration.

    Parameters
    operator      with `residual` (GradientOperator)
    factor        of Ā: column_norms s (M,), rank, basis, basis_transposed (see `factor`)
    residual      the `certificate.Residual` of w (M,)
    layout        RowLayout of the passes
    communicator  of size 1
    iterations    at most
    reachable     stop when ‖Bᵀr‖ <= reachable ‖r‖, by the recurrences' own estimate, which is returned as the third value
    on_iteration(reachable)  called after each iteration
    """
    s = factor.basis_transposed(residual.At_r / factor.column_norms)  # Bᵀ(r - B y)
    p, y, square, r_square = s, np.zeros(factor.rank), s @ s, residual.r_norm**2
    found, taken = (np.sqrt(square) / residual.r_norm if residual.r_norm else 0.0), 0
    smallest = NO_DIGITS * r_square  # the caller goes on from the true residual
    while taken < iterations and found > max(reachable, ROUND_OFF) and r_square > smallest:
        d_square, Bt_d = _product(operator, factor, p, layout, communicator)
        step = square / d_square
        y, s, r_square = y + step * p, s - step * Bt_d, r_square - step * square
        square, previous = s @ s, square
        p = s + square / previous * p
        found, taken = float(np.sqrt(square / max(r_square, smallest))), taken + 1
        if on_iteration:
            on_iteration(found)
    return y, taken, float(found)


def _product(operator, factor, p, layout, communicator):
    """Return ‖d‖² and Bᵀd, (rank,), of d = B p."""
    coefficients = factor.basis(p) / factor.column_norms

    def leaf(block):
        start, stop = layout.bounds(block)
        d, At_d, _ = operator.residual(start, stop, -coefficients, np.zeros((stop - start, operator.rows_per_sample)))
        return np.append(At_d, np.vdot(d, d))

    sums = tree_reduce(communicator, layout, leaf, add_in_place, name="iterate")
    return sums[-1], factor.basis_transposed(sums[:-1] / factor.column_norms)
