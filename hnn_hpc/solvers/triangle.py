"""Triangles: the R of a QR factorization, and how two of them merge.

For a matrix [A | f] with n + 1 columns, the (n + 1) x (n + 1) triangle

    [ R  z ]
    [ 0  ρ ]

holds all that least squares needs: min ‖A w − f‖² = min ‖R w − z‖² + ρ². R of [R1; R2] is R of the rows that R1 and R2 came from, so
triangles of row blocks merge pairwise in any fixed order (TSQR: Demmel, Grigori, Hoemmen, Langou, SIAM J. Sci. Comput. 34, 2012).
"""

import numpy as np

from hnn_hpc.solvers.lapack import merge_rows_in_place, merge_triangles_in_place, qr_in_place


def triangle_of(block):
    """Return the (n, n) column-major triangle of a (rows, n) block, which is destroyed; rows of zeros where rows < n.

    A square block becomes the triangle itself, without another n² numbers in memory.
    """
    rows, columns = block.shape
    if rows:
        qr_in_place(block)
    triangle = block if rows == columns else np.zeros((columns, columns), order="F")
    for column in range(columns):  # np.triu would take a copy
        triangle[: column + 1, column][:rows] = block[: column + 1, column]
        triangle[column + 1 :, column] = 0.0
    return triangle


def combine(upper, lower, threads=1):
    """Return the triangle of [upper; lower]; both are destroyed. The merge of every tree: a pure function, whatever the threads."""
    merge_triangles_in_place(upper, lower, threads)
    return upper


def stack(upper, lower, threads=1):
    """Return the triangle of [upper; lower], or their rows while these are fewer than columns; so are `upper` and `lower` themselves.

    All are (rows, n), column-major: with n rows a triangle, with fewer any. Both are destroyed. As `combine`, the merge of a tree.
    """
    if len(lower) < lower.shape[1]:
        return stack_rows(upper, [lower], len(lower))
    if len(upper) < upper.shape[1]:
        return stack_rows(lower, [upper], len(upper))
    return combine(upper, lower, threads)


def stack_rows(upper, pieces, count):
    """Return what `stack` does for `count` rows in all below `upper`, any number in pieces (B, n), which are destroyed."""
    filled, columns = upper.shape
    if filled < columns:
        pile = np.empty((min(filled + count, columns), columns), order="F")
        pile[:filled] = upper
    else:
        pile = upper
    for rows in pieces:
        missing = min(len(pile) - filled, len(rows))
        pile[filled : filled + missing] = rows[:missing]
        filled += missing
        if missing and filled == columns:
            pile = triangle_of(pile)
        if missing < len(rows):
            merge_rows_in_place(pile, rows[missing:])
    return pile
