"""What is known of an answer w once it is there: its true residual, recomputed from A, and its backward error.

Overbars mean columns scaled to norm 1: Ā = A diag(1/s), w̄ = s∘w, and R̄ the triangle of Ā; so ‖Ā‖_F = sqrt(M).
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.solvers.triangle import combine

# A backward stable solve leaves a few units of round-off times a slow function of M: this is far above, and far below any data's noise.
LARGEST_BACKWARD_ERROR = 1e-13


class Residual(NamedTuple):
    """r = f - A w of an answer: ‖r‖, ‖f‖ and Aᵀr (M,)."""

    r_norm: float
    f_norm: float
    At_r: np.ndarray


class Certificate(NamedTuple):
    """relative_residual ‖r‖/‖f‖, normal_residual ‖Āᵀr‖/(‖Ā‖_F ‖r‖), backward_error; each 0 where r = 0."""

    relative_residual: float
    normal_residual: float
    backward_error: float


def true_residual(operator, coefficients, plan, communicator, on_leaf=None):
    """Return the `Residual` on rank 0, None on the others, from one pass over the samples and the fixed tree. Collective."""

    def leaf(block):
        sums = 0.0
        for piece in plan.pieces(block):
            r, At_r, f = operator.residual(*piece, coefficients)
            sums = sums + np.concatenate([[np.vdot(r, r), np.vdot(f, f)], At_r])
        return sums

    sums = tree_reduce(communicator, plan.layout, leaf, np.add, plan.threads, on_leaf, name="certify")
    return Residual(*np.sqrt(sums[:2]).tolist(), sums[2:]) if communicator.is_root else None


def certificate_of(coefficients, residual, factor, good_enough=0.0, threads=1):
    """Return the `Certificate` of w (M,) from its `Residual` and the factor of A (see `factor`), or of a sketch of A.

    At full rank ‖R̄⁻ᵀg‖ / ‖w̄‖ bounds the backward change from above at the cost of one division by R̄; where already the bound is
    `good_enough`, relative to ‖Ā‖_F, it is given in place of the estimate, which takes (2/3) M³ flops of so many threads.
    """
    r_norm, f_norm, At_r = residual
    if r_norm == 0:
        return Certificate(0.0, 0.0, 0.0)
    A_norm, g = np.sqrt(len(At_r)), At_r / factor.column_norms
    w = coefficients * factor.column_norms
    change = np.inf
    if factor.rank == len(w) and (w_norm := np.linalg.norm(w)):
        change = np.linalg.norm(factor.basis_transposed(g)) / w_norm
    if change > good_enough * A_norm:
        change = smallest_backward_change(w, r_norm, g, factor.scaled, threads)
    return Certificate(r_norm / f_norm, float(np.linalg.norm(g) / (A_norm * r_norm)), float(change / A_norm))


def smallest_backward_change(w, r_norm, g, R, threads=1):
    """Estimate min ‖E‖_F such that w̄ is an exact least-squares solution with Ā + E in place of Ā, within a small factor.

    ‖(R̄ᵀR̄ + η² I)^(-1/2) g‖ / ‖w̄‖ with η = ‖r‖/‖w̄‖ and g = Āᵀr (Karlson & Waldén, BIT 37, 1997; Grcar, Saunders, Su, Estimates of
    optimal backward perturbations for linear least squares problems, 2007). The square root is the triangle of [R̄; η I].
    """
    w_norm = np.linalg.norm(w)
    if w_norm == 0:
        return np.linalg.norm(g) / r_norm
    root = combine(R.copy(order="F"), np.asfortranarray(np.diag(np.full(len(w), r_norm / w_norm))), threads)
    return np.linalg.norm(solve_triangular(root, g, trans="T", check_finite=False)) / w_norm
