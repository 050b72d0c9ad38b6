"""Least squares for the output weights: min ‖A w - f‖ over the M coefficients, at the accuracy of a QR factorization.

Both solvers reduce the rows to the triangle of [A | f] (see `triangle`) over fixed global blocks and a fixed tree, solve it on rank 0,
and certify the answer with residuals recomputed from A (see `solution`):

- `khatri_rao_qr`: for A = S ⊙ Wᵀ; QR of the (K, M + D) matrix [S | F], then D small triangles: 2 K M² flops.
- `tsqr`: for any operator with dense rows; QR of the (K D, M + 1) matrix [A | f]: 2 K D M² flops.

`planner` chooses between them and says what a choice costs.
"""

from hnn_hpc.solvers.khatri_rao_qr import khatri_rao_triangle
from hnn_hpc.solvers.planner import SOLVERS, Plan, plan
from hnn_hpc.solvers.solution import Solution, solve
from hnn_hpc.solvers.tsqr import tsqr_triangle

__all__ = ["SOLVERS", "Plan", "Solution", "khatri_rao_triangle", "plan", "solve", "tsqr_triangle"]
