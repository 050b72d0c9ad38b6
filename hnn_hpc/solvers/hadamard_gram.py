"""The Gram matrix of A = S ⊙ Wᵀ from that of [S | F] alone: half the flops of a QR, at the price of a squared condition number.

    AᵀA = (SᵀS) ∘ (W Wᵀ),   Aᵀf = rowsum((SᵀF) ∘ W),   fᵀf = trace(FᵀF)

The Cholesky factor of [A | f]ᵀ[A | f], with columns scaled to norm 1, is the triangle of [A | f] with an error of about κ² u instead of
κ u. Corrections from the true residual then remove it by a factor of κ² u each (corrected seminormal equations), so that the answer is
as good as that of a QR while κ² u is well below 1, and useless beyond.
"""

import numpy as np
from scipy.linalg import lapack, solve_triangular

from hnn_hpc.errors import NotCertifiedError
from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.solvers.lapack import add_gram, cholesky_in_place

# κ² u a tenth: each correction gains a digit.
LARGEST_CONDITION = 3e7
# Of a column's norm: below it squares lose digits to underflow, or are 0.
SMALLEST_SQUARE = 1e-280


def gram_triangle(operator, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the (M + 1, M + 1) triangle of [A | f] on rank 0, None on the others; 0 Householder rows). Collective.

    K (M + D)² flops in one pass; one Gram matrix, one piece of [S | F] and log2(blocks) sums in memory a thread; the sums go over the
    fixed tree. Errors: `NotCertifiedError` on all ranks, with the condition, where that is above LARGEST_CONDITION.
    """
    columns = operator.columns + operator.rows_per_sample

    def leaf(block):
        gram = np.zeros((columns, columns), order="F")
        for start, stop in plan.pieces(block):
            add_gram(gram, operator.factors(start, stop))
        return gram

    gram = tree_reduce(communicator, plan.layout, leaf, np.add, plan.threads, on_leaf, checkpoint)
    triangle = condition = None
    with communicator.together():
        if communicator.is_root:
            triangle, condition = _triangle_of_gram(gram, operator.weights)
    condition = communicator.broadcast(condition)
    if not condition <= LARGEST_CONDITION:
        raise NotCertifiedError(
            f"the solver gram squares the condition number, which is {condition:.1e} or more here and must be below "
            f"{LARGEST_CONDITION:.0e}; use khatri-rao-qr or lsqr"
        )
    return triangle, 0


def _triangle_of_gram(gram, W):
    """Return the triangle of [A | f] and LAPACK's estimate of κ₁ of the scaled A, from the upper triangle of the Gram matrix of [S | F]."""
    M = len(W)
    squares = gram.diagonal()[:M] * np.einsum("md,md->m", W, W)
    if not squares.min() > SMALLEST_SQUARE:
        return None, np.inf
    A_norms = np.sqrt(squares)
    R = np.asfortranarray(gram[:M, :M] * ((W / A_norms[:, None]) @ (W / A_norms[:, None]).T))
    if not cholesky_in_place(R):
        return None, np.inf
    R = np.triu(R)
    reciprocal, _ = lapack.dtrcon(R)
    z = solve_triangular(R, np.einsum("md,md->m", gram[:M, M:], W) / A_norms, trans="T", check_finite=False)
    triangle = np.zeros((M + 1, M + 1), order="F")
    np.multiply(R, A_norms, out=triangle[:M, :M])
    triangle[:M, M] = z
    triangle[M, M] = np.sqrt(max(0.0, np.trace(gram[M:, M:]) - z @ z))
    return triangle, 1 / reciprocal if reciprocal else np.inf
