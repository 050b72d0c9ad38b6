"""Least squares for the output weights: min ‖A w - f‖ over the M coefficients, at the accuracy of a QR factorization.

All solvers reduce the rows to the triangle of [A | f] (see `triangle`) over fixed global blocks and a fixed tree, solve it on rank 0, and
certify the answer with residuals recomputed from A (see `solution`):

- `khatri_rao_qr`: for A = S ⊙ Wᵀ; QR of the (K, M + D) matrix [S | F], then D small triangles: 2 K M² flops.
- `coordinate_qr`: the same for sparse W; QR of the rows of each coordinate, of the M_d features that touch it, merged in a `front`:
  2 K Σ M_d² flops.
- `tsqr`: for any operator with dense rows; QR of the (K D, M + 1) matrix [A | f]: 2 K D M² flops.
- `hadamard_gram`: for A = S ⊙ Wᵀ of a moderate condition; K M² flops.
- `sketched_lsqr`: the triangle is that of a sketch, and LSQR goes on from there: O(K M D) flops. On dask it is `conjugate_gradients`.

Where A is block-diagonal, `block_diagonal` joins the solutions of its blocks. `spectrum` tells the singular values that come with a factor.

A QR reads the samples for its first rows (see `row_triangle`) and for all others, and each residual reads them again; LSQR does in every
iteration. `planner` chooses between the solvers and says what a choice costs: work and memory by the formulas of `costs`, seconds by the
`rates` of a machine; `probe` looks at the condition number where `gram` would be faster.
"""

from hnn_hpc.solvers.block_diagonal import joined
from hnn_hpc.solvers.front import elimination_order
from hnn_hpc.solvers.planner import SOLVERS, Plan, plan
from hnn_hpc.solvers.probe import probe_samples, settled
from hnn_hpc.solvers.rates import NOMINAL, calibrate
from hnn_hpc.solvers.solution import GCV, Solution, solve

__all__ = [
    "GCV",
    "NOMINAL",
    "SOLVERS",
    "Plan",
    "Solution",
    "calibrate",
    "elimination_order",
    "joined",
    "plan",
    "probe_samples",
    "settled",
    "solve",
]
