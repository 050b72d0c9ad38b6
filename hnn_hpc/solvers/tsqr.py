"""Tall-skinny QR of any operator's dense rows [A | f]."""

from hnn_hpc.solvers.row_triangle import reduce_rows


def tsqr_triangle(operator, plan, communicator, on_leaf=None, checkpoint=None):
    """Return (the (M + 1, M + 1) triangle of [A | f] on rank 0, None on the others; householder_rows of all ranks). Collective.

    `reduce_rows` for all rows of A: 2 K r M² flops for r rows a sample. Bitwise independent of ranks and threads.
    """
    return reduce_rows(operator.dense_rows, plan, communicator, on_leaf, checkpoint)
