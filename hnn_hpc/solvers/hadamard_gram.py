"""The Gram matrix of A = S ⊙ Wᵀ from that of [S | F] alone: half the flops of a QR, at the price of a squared condition number.

    AᵀA = (SᵀS) ∘ (W Wᵀ),   Aᵀf = rowsum((SᵀF) ∘ W),   fᵀf = trace(FᵀF)

The Cholesky factor of [A | f]ᵀ[A | f], with columns scaled to norm 1, is the triangle of [A | f] with an error of about κ² u instead of
κ u. Corrections from the true residual then remove it by a factor of κ² u each (corrected seminormal equations), so that the answer is
as good as that of a QR while κ² u is well below 1, and useless beyond.

A column of zeros takes no part: its norm counts as 1, as everywhere, and its column of the triangle is zero (see `factor`).
"""

import numpy as np
from scipy.linalg import lapack, solve_triangular

from hnn_hpc.errors import NotCertifiedError
from hnn_hpc.parallel.tree import add_in_place, tree_reduce
from hnn_hpc.solvers.lapack import cholesky_in_place
from hnn_hpc.solvers.packed_gram import add_packed_gram, packed_size, unpacked

# κ² u a tenth: each correction gains a digit.
LARGEST_CONDITION = 3e7
# Of a column: below it the squares lose digits to underflow. Where all of them are 0 it counts as zero, as it does for any solver.
SMALLEST_NORM = 1e-140


def gram_triangle(operator, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the (M + 1, M + 1) triangle of [A | f] on rank 0, None on the others; 0 Householder rows). Collective.

    K (M + D)² flops in one pass; one piece of [S | F] and log2(blocks) packed Gram matrices in memory a thread; they are added up over
    the fixed tree. Errors: `NotCertifiedError` on all ranks, with the condition, where that is above LARGEST_CONDITION, or with the
    number of columns whose norms are above 0 but at most SMALLEST_NORM.
    """
    columns = operator.columns + operator.rows_per_sample

    def leaf(block):
        packed = np.zeros(packed_size(columns))
        for start, stop in plan.pieces(block):
            add_packed_gram(packed, operator.factors(start, stop))
        return packed

    packed = tree_reduce(communicator, plan.layout, leaf, add_in_place, plan.threads, on_leaf, checkpoint, name="gram")
    triangle = refusal = None
    with communicator.together():
        if communicator.is_root:
            triangle, refusal = _triangle_of_gram(unpacked(packed, columns), operator.weights)
    if refusal := communicator.broadcast(refusal):
        raise NotCertifiedError(f"the solver gram squares {refusal}; use khatri-rao-qr or lsqr")
    return triangle, 0


def cholesky_of_scaled(gram, W):
    """Overwrite the upper triangle of SᵀS (M, M), column-major, with that of the Cholesky factor of ĀᵀĀ = (SᵀS) ∘ (W̄ W̄ᵀ).

    Return (‖A_m‖ (M,), LAPACK's estimate of κ₁ of the factor). A zero column has a 1 on the diagonal, which changes no condition. The
    estimate is infinite where there is no factor: from about 1e8 on, and where `is_faint` finds a column.
    """
    A_norms = np.sqrt(gram.diagonal() * np.einsum("md,md->m", W, W))
    if is_faint(A_norms).any():
        return A_norms, np.inf
    unit = W / np.where(A_norms == 0, 1, A_norms)[:, None]
    gram *= unit @ unit.T
    gram[A_norms == 0, A_norms == 0] = 1
    if not cholesky_in_place(gram):
        return A_norms, np.inf
    reciprocal, _ = lapack.dtrcon(gram)
    return A_norms, 1 / reciprocal if reciprocal else np.inf


def is_faint(A_norms):
    """Return which norms (M,) come from squares that have lost digits to underflow."""
    return (A_norms > 0) & (A_norms <= SMALLEST_NORM)


def _triangle_of_gram(gram, W):
    """Return (the triangle of [A | f], None), or (None, what must not be squared), from the upper triangle of the Gram of [S | F]."""
    M = len(W)
    R = gram[:M, :M].copy(order="F")
    A_norms, condition = cholesky_of_scaled(R, W)
    if faint := np.count_nonzero(is_faint(A_norms)):
        return None, f"the features, and {faint} of {M} have columns of norm {SMALLEST_NORM} or less, whose squares underflow"
    if not condition <= LARGEST_CONDITION:
        told = f"{condition:.1e} or more" if np.isfinite(condition) else "too large to tell"
        return None, f"the condition number, which is {told} here and must be below {LARGEST_CONDITION:.0e}"
    R = np.triu(R)
    At_f = np.einsum("md,md->m", gram[:M, M:], W)
    z = solve_triangular(R, At_f / np.where(A_norms == 0, 1, A_norms), trans="T", check_finite=False)
    triangle = np.zeros((M + 1, M + 1), order="F")
    np.multiply(R, A_norms, out=triangle[:M, :M])
    triangle[:M, M] = z
    triangle[M, M] = np.sqrt(max(0.0, np.trace(gram[M:, M:]) - z @ z))
    return triangle, None
