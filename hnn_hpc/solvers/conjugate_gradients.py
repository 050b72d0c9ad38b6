"""The same least squares as `lsqr` where nobody keeps vectors of all rows: conjugate gradients in the coefficients alone.

B = ĀN has a condition of 2 or 3 (see `sketch`), and so BᵀB y = Bᵀr may be solved in place of min ‖B y - r‖ without loss: its condition is
below 10. In exact arithmetic the iterates are LSQR's (Paige & Saunders, ACM TOMS 8, 1982). BᵀB p takes one pass over the samples, in which
each block computes its rows d = B p and adds ‖d‖² and Aᵀd to the sums; no rows outlive their block.
"""

import numpy as np

from hnn_hpc.parallel.tree import add_in_place, tree_reduce
from hnn_hpc.solvers.lsqr import ROUND_OFF


def cg_correction(operator, factor, residual, layout, communicator, threads=1, iterations=40, reachable=0.0, on_iteration=None):
    """Return (y, iterations, reachable) as `lsqr.lsqr_correction` does, in a program that runs alone: y (rank,), so that w + N y / s lowers
    ‖f - A w‖. One pass over the samples an iteration.

    Parameters: residual (`certificate.Residual`): that of w; the others as there.
    """
    s = factor.basis_transposed(residual.At_r / factor.column_norms)  # Bᵀ(r - B y)
    p, y, square, r_square = s, np.zeros(factor.rank), s @ s, residual.r_norm**2
    found, taken = (np.sqrt(square) / residual.r_norm if residual.r_norm else 0.0), 0
    smallest = ROUND_OFF * r_square  # below, none of its digits are left: the caller goes on from the true residual
    while taken < iterations and found > max(reachable, ROUND_OFF) and r_square > smallest:
        d_square, Bt_d = _product(operator, factor, p, layout, communicator, threads)
        step = square / d_square
        y, s, r_square = y + step * p, s - step * Bt_d, r_square - step * square
        square, previous = s @ s, square
        p = s + square / previous * p
        found, taken = float(np.sqrt(square / max(r_square, smallest))), taken + 1
        if on_iteration:
            on_iteration(found)
    return y, taken, float(found)


def _product(operator, factor, p, layout, communicator, threads):
    """Return ‖d‖² and Bᵀd, (rank,), of d = B p."""
    coefficients = factor.basis(p) / factor.column_norms

    def leaf(block):
        start, stop = layout.bounds(block)
        d, At_d, _ = operator.residual(start, stop, -coefficients, np.zeros((stop - start, operator.rows_per_sample)))
        return np.append(At_d, np.vdot(d, d))

    sums = tree_reduce(communicator, layout, leaf, add_in_place, threads, name="iterate")
    return sums[-1], factor.basis_transposed(sums[:-1] / factor.column_norms)
