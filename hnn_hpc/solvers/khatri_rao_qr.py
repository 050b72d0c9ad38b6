"""QR of the gradient feature matrix A = S ⊙ Wᵀ without forming it.

Group the rows of [A | f] by coordinate instead of by sample: the rows of coordinate d are [S diag(W[:, d]) | F[:, d]]. With one QR

    [S | F] = Q [ T  G ]        T (M, M), G (M, D), H (D, D) upper triangular
                [ 0  H ]

that group is Q [T diag(W[:, d]) | G[:, d]; 0 | H[:, d]], whose triangle needs no further QR: T diag(W[:, d]) is upper triangular
already, and H[:, d] has the norm ρ_d. The triangle of [A | f] is the merge of these D triangles:

    2 K (M + D)² + (2/3) (D - 1) M³ flops in place of 2 K D M².
"""

from functools import partial

import numpy as np

from hnn_hpc.errors import Interruption
from hnn_hpc.parallel.checkpoint import ROWS, NoCheckpoint
from hnn_hpc.parallel.layout import RowLayout
from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.solvers.row_triangle import reduce_rows
from hnn_hpc.solvers.triangle import combine


def khatri_rao_triangle(operator, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the (M + 1, M + 1) triangle of [A | f] on rank 0, None on the others; householder_rows of all ranks). Collective.

    `reduce_rows` for [S | F], whose triangle rank 0 then broadcasts, since the D merges are shared as well: a thread has two triangles of
    order M in work and log2(D) that wait. Bitwise independent of ranks and threads.

    Parameters: operator with `factors` and `weights` (GradientOperator); plan (Plan), checkpoint: see `reduce_rows`. While coordinates
    merge it keeps the triangle of [S | F].
    """
    (M, D), checkpoint = operator.weights.shape, checkpoint or NoCheckpoint()
    triangle, householder_rows = _triangle_of_rows(operator, plan, communicator, on_leaf, checkpoint)
    triangle = communicator.broadcast_array(triangle, (M + D, M + D))
    T, G, H = triangle[:M, :M], triangle[:M, M:], triangle[M:, M:]

    def triangle_of_coordinate(d):
        group = np.zeros((M + 1, M + 1), order="F")
        np.multiply(T, operator.weights[:, d], out=group[:M, :M])
        group[:M, M] = G[:, d]
        group[M, M] = np.linalg.norm(H[:, d])
        return group

    with_all_threads = partial(combine, threads=plan.threads)

    def keep():
        if checkpoint.is_kept and communicator.is_root and ROWS not in checkpoint.names:
            checkpoint.save(ROWS, triangle, householder_rows)

    heed = checkpoint.heeding(lambda n: keep() if checkpoint.is_due() else None)
    try:
        reduced = tree_reduce(
            communicator,
            RowLayout(D, D),
            triangle_of_coordinate,
            combine,
            plan.threads,
            heed,
            combine_alone=with_all_threads,
            name="coordinates",
            of_samples=False,
        )
    except Interruption:
        keep()
        checkpoint.settle(communicator)
        raise
    return reduced, householder_rows


def _triangle_of_rows(operator, plan, communicator, on_leaf, checkpoint):
    """Return (the triangle of [S | F] on rank 0, None on the others; householder_rows), from the checkpoint where it has that."""
    if ROWS not in checkpoint.names:
        return reduce_rows(operator.factors, plan, communicator, on_leaf, checkpoint)
    with communicator.together():
        triangle, householder_rows = checkpoint.load(ROWS) if communicator.is_root else (None, None)
    if on_leaf:
        on_leaf(plan.blocks_of(communicator))
    return triangle, communicator.broadcast(householder_rows)
