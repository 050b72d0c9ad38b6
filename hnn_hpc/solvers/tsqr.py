"""Tall-skinny QR of any operator's dense rows [A | f]."""

from hnn_hpc.parallel.tree import tree_reduce
from hnn_hpc.solvers.triangle import combine, triangle_of


def tsqr_triangle(operator, layout, communicator, threads=1, on_leaf=None):
    """Return the (M + 1, M + 1) triangle of [A | f] on rank 0, None on the others. Collective.

    Each block of `layout` gives the triangle of its dense rows, and the fixed tree merges them: 2 K r M² flops for r rows a sample,
    one block and 2 log2(blocks) triangles in memory a thread. Bitwise independent of ranks and threads.
    """

    def leaf(block):
        return triangle_of(operator.dense_rows(*layout.bounds(block)))

    return tree_reduce(communicator, layout, leaf, combine, threads, on_leaf)
